# What is installed where, and with which rights: one list for install.sh and package-deb, which read this file. A place that ends with
# `/` takes all files of that name. `once` is a configuration: it is a sample, and is never written over.
layout() {
    cat <<'LIST'
755  quorate                      /usr/local/bin/quorate                                   /usr/bin/quorate
644  quorate.service              /etc/systemd/system/quorate.service                      /usr/lib/systemd/system/quorate.service
644  quorate-wait-online.service  /etc/systemd/system/quorate-wait-online.service          /usr/lib/systemd/system/quorate-wait-online.service
644  quorate-online.target        /etc/systemd/system/quorate-online.target                /usr/lib/systemd/system/quorate-online.target
644  quorate-snapshot.service     /etc/systemd/system/quorate-snapshot.service             /usr/lib/systemd/system/quorate-snapshot.service
644  quorate-snapshot.timer       /etc/systemd/system/quorate-snapshot.timer               /usr/lib/systemd/system/quorate-snapshot.timer
644  quorate-hooks.service        /etc/systemd/system/quorate-hooks.service                /usr/lib/systemd/system/quorate-hooks.service
644  quorate.conf                 /etc/sysusers.d/quorate.conf                             /usr/lib/sysusers.d/quorate.conf
644  quorate-monitor.conf         /etc/tmpfiles.d/quorate-monitor.conf                    /usr/lib/tmpfiles.d/quorate-monitor.conf
644  README.md                    /usr/local/share/doc/quorate/README.md                   /usr/share/doc/quorate/README.md
644  app.example.toml             /usr/local/share/doc/quorate/app.example.toml            /usr/share/doc/quorate/app.example.toml
644  budget.example.toml          /usr/local/share/doc/quorate/budget.example.toml         /usr/share/doc/quorate/budget.example.toml
644  assignment.example.toml      /usr/local/share/doc/quorate/assignment.example.toml     /usr/share/doc/quorate/assignment.example.toml
644  quorate*.1                   /usr/local/share/man/man1/                               /usr/share/man/man1/
644  quorate.bash                 /usr/local/share/bash-completion/completions/quorate     /usr/share/bash-completion/completions/quorate
644  _quorate                     /usr/local/share/zsh/site-functions/_quorate             /usr/share/zsh/vendor-completions/_quorate
644  quorate.fish                 /usr/local/share/fish/vendor_completions.d/quorate.fish  /usr/share/fish/vendor_completions.d/quorate.fish
once quorate.toml                 /etc/quorate/quorate.toml                                /etc/quorate/quorate.toml
once host.toml                    /etc/quorate/host.toml                                   /etc/quorate/host.toml
LIST
}

# gather BINARY DIRECTORY: into an empty directory all files that the list names, or links to them. The program itself, named by its
# whole path, writes its manual and what the shells are told. `here` is this file's directory.
gather() {
    ln -s "$1" "$2/quorate"
    "$1" man --out "$2"
    "$1" completions bash >"$2/quorate.bash"
    "$1" completions zsh >"$2/_quorate"
    "$1" completions fish >"$2/quorate.fish"
    layout | while read -r _ file _; do
        [ ! -f "$here/$file" ] || [ -e "$2/$file" ] || ln -s "$here/$file" "$2/$file"
    done
}

# place_of FILE PLACE: where a file of the list goes that has this place there.
place_of() {
    case $2 in
        */) echo "$2${1##*/}" ;;
        *) echo "$2" ;;
    esac
}

# units: the list's units, a line each.
units() {
    layout | while read -r _ file _; do
        case $file in *.service | *.target | *.timer) echo "$file" ;; esac
    done
}

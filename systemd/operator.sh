# What install.sh and the scripts of the Debian package refuse, and tell the operator, alike. install.sh reads this file; package-deb writes
# it into those scripts, so that they need nothing beside them.
CONFIG=/etc/quorate

booted() {
    [ -d /run/systemd/system ]
}

# The daemon refuses it too: asked before anything is replaced, so that one that runs goes on.
refuse_open_secret() {
    if [ -e "$CONFIG/secret" ] && [ -n "$(find -L "$CONFIG/secret" -perm /077)" ]; then
        echo "quorate: others than root may read $CONFIG/secret; run \`chmod 600 $CONFIG/secret\`, then this again. Nothing was changed" >&2
        exit 1
    fi
}

say_what_is_next() {
    if booted && systemctl --quiet is-active quorate.service; then
        echo "It runs: quorate status"
        return
    fi
    echo "Next:"
    step=1
    # The name of the cluster in the sample.
    if grep -qs '^cluster = "example"' "$CONFIG/quorate.toml"; then
        echo "  $step. Write cluster and seeds into $CONFIG/quorate.toml; the same file on every host."
        step=$((step + 1))
    fi
    if [ ! -s "$CONFIG/secret" ]; then
        echo "  $step. Make the cluster's secret once, on one host:"
        echo "       (umask 077; quorate secret new > $CONFIG/secret)"
        echo "     and copy $CONFIG/secret to every host, owner root, mode 0600."
        echo "     \`quorate secret fingerprint\` shows whether hosts have the same one."
        step=$((step + 1))
    fi
    echo "  $step. quorate check-config"
    echo "     systemctl start quorate       (returns at once, also on the first host)"
    echo "     quorate status"
}

say_what_is_left() {
    echo "quorate is removed from this host. Left as they are:"
    echo "  $CONFIG                 configuration and secret"
    echo "  /var/lib/quorate             data"
    echo "  /var/lib/quorate.birth       the memory of which cluster this host belongs to"
    echo "  /var/lib/quorate.snapshots   snapshots, where some were saved"
    echo "  /var/lib/quorate-hooks       what hooks wrote there, where some did"
    echo "  user and group quorate       who own the data"
    echo "  user quorate-hooks           as whom hooks ran"
    echo "  group quorate-monitor        who may read its state"
    echo "A host that comes back with its data is the same node; one whose data was erased comes back as a new instance."
}

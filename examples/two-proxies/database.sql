-- The database's part: an application, a role for each of its proxies, and what quorate's programs may do about those.
-- As a superuser:  psql -d postgres -v proxies=a,b -f database.sql
-- with the names of the proxy hosts as `quorate members` shows them. Passwords are set after it (README.md). It may be run again. The functions
-- are not in the application's database, so that a limit of that one's connections counts the proxies alone.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE app NOLOGIN' WHERE to_regrole('app') IS NULL \gexec
SELECT 'CREATE ROLE quorate_fence LOGIN' WHERE to_regrole('quorate_fence') IS NULL \gexec
CREATE SCHEMA IF NOT EXISTS quorate;
GRANT USAGE ON SCHEMA quorate TO quorate_fence;

-- Which role is which host's, the newest grant with which it was let in, and up to which grant it was fenced, and when.
CREATE TABLE IF NOT EXISTS quorate.proxies (host text PRIMARY KEY, role text UNIQUE NOT NULL,
    admitted bigint NOT NULL DEFAULT 0, fenced bigint NOT NULL DEFAULT 0, fenced_at timestamptz NOT NULL DEFAULT '-infinity');
INSERT INTO quorate.proxies (host, role)
    SELECT host, 'app_' || host FROM unnest(string_to_array(:'proxies', ',')) AS host ON CONFLICT DO NOTHING;

-- A proxy logs in as its own role, which does all as `app`. So the database knows whose each session is, whatever address it came from.
SELECT format('CREATE ROLE %I LOGIN IN ROLE app', role) FROM quorate.proxies WHERE to_regrole(quote_ident(role)) IS NULL \gexec
SELECT format('ALTER ROLE %I SET role = app', role) FROM quorate.proxies \gexec
-- A query whose proxy is gone ends within this time; it would go on to its end, and count.
SELECT format('ALTER ROLE %I SET client_connection_check_interval = %L', role, '100ms') FROM quorate.proxies \gexec

-- How many sessions each proxy has, and with which grant it was let in last.
CREATE OR REPLACE FUNCTION quorate.sessions() RETURNS TABLE (host text, sessions bigint, admitted bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT p.host, count(a.pid), p.admitted FROM quorate.proxies p LEFT JOIN pg_stat_activity a ON a.usename = p.role GROUP BY p.host
$$;

-- Ends the sessions of a proxy; how many there were. Zero, asked again, means that none is left.
CREATE OR REPLACE FUNCTION quorate.end_sessions(host text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a JOIN quorate.proxies p ON p.role = a.usename WHERE p.host = $1
$$;

-- The row of a proxy, locked.
CREATE OR REPLACE FUNCTION quorate.proxy(host text) RETURNS quorate.proxies
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE proxy quorate.proxies;
BEGIN
    SELECT * INTO proxy FROM quorate.proxies p WHERE p.host = $1 FOR UPDATE;
    IF proxy.host IS NULL THEN
        RAISE EXCEPTION 'quorate.proxies has no host %', $1 USING HINT = 'run database.sql with all proxies';
    END IF;
    RETURN proxy;
END $$;

-- From now on the proxy may not log in with this grant, nor with an older one: the number is a fencing token. Commit it, and end its sessions then.
-- False, and nothing is done, when it was let in with a newer grant: what it has now is not what was to be fenced.
CREATE OR REPLACE FUNCTION quorate.bar(host text, number bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE proxy quorate.proxies := quorate.proxy($1);
BEGIN
    IF $2 < proxy.admitted THEN
        RETURN false;
    END IF;
    UPDATE quorate.proxies p SET fenced = greatest(p.fenced, $2), fenced_at = clock_timestamp() WHERE p.host = $1;
    EXECUTE format('ALTER ROLE %I NOLOGIN', proxy.role);
    RETURN true;
END $$;

-- A proxy holds this grant now, and asks to be let in: not when that grant was fenced. One that is still renewed so long after the fence was not freed
-- by it, for its host came back first: so it is let in again. Within 10 s a fence is told to quorate or given up.
CREATE OR REPLACE FUNCTION quorate.admit(host text, number bigint, ttl_ms bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE proxy quorate.proxies := quorate.proxy($1);
BEGIN
    IF $2 < proxy.fenced OR ($2 = proxy.fenced AND clock_timestamp() < proxy.fenced_at + interval '10 s' + $3 * interval '1 ms') THEN
        RETURN false;
    END IF;
    UPDATE quorate.proxies p SET admitted = greatest(p.admitted, $2) WHERE p.host = $1;
    IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = proxy.role) THEN
        EXECUTE format('ALTER ROLE %I LOGIN', proxy.role);
    END IF;
    RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA quorate FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA quorate TO quorate_fence;

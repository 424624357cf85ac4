-- Locks a role, ends what is signed in as it, and drops it if a rotation has made it.
DO $windlass$
DECLARE
    was text := current_setting('windlass.was');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('windlass rotation'));
    IF session_user = was THEN
        RAISE EXCEPTION 'the application signed in as the administrator, %', was;
    ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = was) THEN
        EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', was);
    END IF;
END
$windlass$;
DO $windlass$
DECLARE
    was text := current_setting('windlass.was');
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = was;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'what is signed in as % stays so until it ends: %', was, SQLERRM;
END
$windlass$;
DO $windlass$
DECLARE
    was text := current_setting('windlass.was');
    owner text;
BEGIN
    IF was !~ '._r[0-9a-f]{8}$' OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = was) THEN
        RETURN;
    END IF;
    SELECT max(o.rolname::text) INTO owner
    FROM pg_roles r CROSS JOIN unnest(r.rolconfig) AS c JOIN pg_roles o ON 'role=' || o.rolname = c
    WHERE r.rolname = was;
    BEGIN
        EXECUTE format('DROP ROLE %I', was);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        EXECUTE format('REASSIGN OWNED BY %I TO %I', was, owner);
        EXECUTE format('DROP OWNED BY %I', was);
        EXECUTE format('DROP ROLE %I', was);
    END;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '% can sign in no more, and could not be dropped: %', was, SQLERRM;
END
$windlass$;

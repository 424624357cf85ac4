-- Makes a role that signs in beside another, and acts as it does. Names come as windlass.* settings, so
-- that nothing of them is read as a statement.
DO $windlass$
DECLARE
    was text := current_setting('windlass.was');
    successor text := current_setting('windlass.successor');
    owner text;
    item record;
    statement text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('windlass rotation'));
    IF current_setting('server_version_num')::int < 100000 THEN
        RAISE EXCEPTION 'PostgreSQL % is too old: 10 is the first that keeps passwords as SCRAM verifiers',
            current_setting('server_version');
    ELSIF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'it is a standby, which takes no changes';
    ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = was) THEN
        RAISE EXCEPTION 'there is no role %', was;
    ELSIF session_user = was THEN
        RAISE EXCEPTION 'the application signs in as the administrator, %', was;
    END IF;
    -- The role as which it acts: what one makes, the next can change.
    SELECT coalesce(max(o.rolname::text), was) INTO owner
    FROM pg_roles r CROSS JOIN unnest(r.rolconfig) AS c JOIN pg_roles o ON 'role=' || o.rolname = c
    WHERE r.rolname = was AND pg_has_role(r.oid, o.oid, 'MEMBER');

    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = successor) THEN
        EXECUTE format('CREATE ROLE %I', successor);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN INHERIT CONNECTION LIMIT %s PASSWORD %L', successor,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = was), current_setting('windlass.verifier'));
    EXECUTE format('GRANT %I TO %I', owner, successor);

    -- Whether the old one could be revoked: tried, and taken back.
    BEGIN
        EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', was);
        RAISE SQLSTATE 'WLOK0';
    EXCEPTION WHEN SQLSTATE 'WLOK0' THEN NULL;
    END;

    -- What is set for a role holds for who signs in as it, and for no member.
    FOR item IN
        SELECT d.datname, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
        FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
        LEFT JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) AS c
        WHERE r.rolname = was AND c NOT LIKE 'role=%'
    LOOP
        BEGIN
            -- The setting may be search_path: nothing is looked up by it before it is taken back.
            statement := format('ALTER ROLE %I %s SET %I FROM CURRENT', successor,
                CASE WHEN item.datname IS NULL THEN '' ELSE format('IN DATABASE %I', item.datname) END,
                item.name);
            PERFORM pg_catalog.set_config(item.name, item.value, true);
            EXECUTE statement;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING '% is set for % and cannot be set for %: %', item.name, was, successor, SQLERRM;
        END;
    END LOOP;
    EXECUTE format('ALTER ROLE %I SET role = %L', successor, owner);
END
$windlass$;

-- Validate user identity access
CREATE OR REPLACE FUNCTION auth.validate_identity_access(
    _user_id uuid,
    _identity_id uuid
) RETURNS boolean AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1 FROM auth.user_identity
        WHERE user_identity_id = _identity_id
            AND user_id = _user_id
    );
END;
$$ LANGUAGE plpgsql;

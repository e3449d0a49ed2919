-- User switches to different authentication method
DO $$
BEGIN
    -- Clear current last-used flag
    UPDATE auth.user_identity
    SET is_last_used = false
    WHERE user_id = 'user-uuid';
    -- Set new last-used identity
    UPDATE auth.user_identity
    SET
        is_last_used = true,
        last_login_at = now()
    WHERE user_id = 'user-uuid'
        AND provider_id = 'windows-ad-provider-uuid';
    -- Clear permission cache (permissions may change)
    PERFORM unsecure.clear_permission_cache('user-uuid');
END $$;

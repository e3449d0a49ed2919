-- Disable identity (e.g., user left Azure AD but still has Windows access)
SELECT auth.disable_user_identity(
    _user_identity_id := 'identity-uuid'
);
-- Re-enable identity
SELECT auth.enable_user_identity(
    _user_identity_id := 'identity-uuid'
);

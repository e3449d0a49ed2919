-- Fix multiple last_used flags
UPDATE auth.user_identity ui1
SET is_last_used = false
WHERE ui1.user_id = 'user-uuid'
    AND ui1.is_last_used = true
    AND EXISTS (
        SELECT 1 FROM auth.user_identity ui2
        WHERE ui2.user_id = ui1.user_id
            AND ui2.user_identity_id != ui1.user_identity_id
            AND ui2.is_last_used = true
    );

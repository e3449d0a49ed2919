-- Passwords become SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) before any statement has them in it, without an extension. A verifier
-- in a log or in pg_stat_statements logs nobody in.

-- RFC 3454's tables for Unicode 3.2, as RFC 4013 wants them: what is forbidden or was unassigned (A.1, C.1.2 to C.9), what is written from right
-- to left (D.1) and from left to right (D.2). Ranges are merged over what is not there after mapping, and the last two over what is in the first.
CREATE OR REPLACE FUNCTION unsecure.stringprep_table(_name text)
RETURNS int4multirange
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE _name
    WHEN 'forbidden' THEN '{
        [0,31],[127,159],[545,545],[564,591],[686,687],[751,767],[832,833],[848,863],[880,883],[886,889],[891,893],[895,899],[907,907],
        [909,909],[930,930],[975,975],[1015,1023],[1159,1159],[1231,1231],[1270,1271],[1274,1279],[1296,1328],[1367,1368],[1376,1376],
        [1416,1416],[1419,1424],[1442,1442],[1466,1466],[1477,1487],[1515,1519],[1525,1547],[1549,1562],[1564,1566],[1568,1568],
        [1595,1599],[1622,1631],[1757,1757],[1774,1775],[1791,1791],[1806,1807],[1837,1839],[1867,1919],[1970,2304],[2308,2308],
        [2362,2363],[2382,2383],[2389,2391],[2417,2432],[2436,2436],[2445,2446],[2449,2450],[2473,2473],[2481,2481],[2483,2485],
        [2490,2491],[2493,2493],[2501,2502],[2505,2506],[2510,2518],[2520,2523],[2526,2526],[2532,2533],[2555,2561],[2563,2564],
        [2571,2574],[2577,2578],[2601,2601],[2609,2609],[2612,2612],[2615,2615],[2618,2619],[2621,2621],[2627,2630],[2633,2634],
        [2638,2648],[2653,2653],[2655,2661],[2677,2688],[2692,2692],[2700,2700],[2702,2702],[2706,2706],[2729,2729],[2737,2737],
        [2740,2740],[2746,2747],[2758,2758],[2762,2762],[2766,2767],[2769,2783],[2785,2789],[2800,2816],[2820,2820],[2829,2830],
        [2833,2834],[2857,2857],[2865,2865],[2868,2869],[2874,2875],[2884,2886],[2889,2890],[2894,2901],[2904,2907],[2910,2910],
        [2914,2917],[2929,2945],[2948,2948],[2955,2957],[2961,2961],[2966,2968],[2971,2971],[2973,2973],[2976,2978],[2981,2983],
        [2987,2989],[2998,2998],[3002,3005],[3011,3013],[3017,3017],[3022,3030],[3032,3046],[3059,3072],[3076,3076],[3085,3085],
        [3089,3089],[3113,3113],[3124,3124],[3130,3133],[3141,3141],[3145,3145],[3150,3156],[3159,3167],[3170,3173],[3184,3201],
        [3204,3204],[3213,3213],[3217,3217],[3241,3241],[3252,3252],[3258,3261],[3269,3269],[3273,3273],[3278,3284],[3287,3293],
        [3295,3295],[3298,3301],[3312,3329],[3332,3332],[3341,3341],[3345,3345],[3369,3369],[3386,3389],[3396,3397],[3401,3401],
        [3406,3414],[3416,3423],[3426,3429],[3440,3457],[3460,3460],[3479,3481],[3506,3506],[3516,3516],[3518,3519],[3527,3529],
        [3531,3534],[3541,3541],[3543,3543],[3552,3569],[3573,3584],[3643,3646],[3676,3712],[3715,3715],[3717,3718],[3721,3721],
        [3723,3724],[3726,3731],[3736,3736],[3744,3744],[3748,3748],[3750,3750],[3752,3753],[3756,3756],[3770,3770],[3774,3775],
        [3781,3781],[3783,3783],[3790,3791],[3802,3803],[3806,3839],[3912,3912],[3947,3952],[3980,3983],[3992,3992],[4029,4029],
        [4045,4046],[4048,4095],[4130,4130],[4136,4136],[4139,4139],[4147,4149],[4154,4159],[4186,4255],[4294,4303],[4345,4346],
        [4348,4351],[4442,4446],[4515,4519],[4602,4607],[4615,4615],[4679,4679],[4681,4681],[4686,4687],[4695,4695],[4697,4697],
        [4702,4703],[4743,4743],[4745,4745],[4750,4751],[4783,4783],[4785,4785],[4790,4791],[4799,4799],[4801,4801],[4806,4807],
        [4815,4815],[4823,4823],[4847,4847],[4879,4879],[4881,4881],[4886,4887],[4895,4895],[4935,4935],[4955,4960],[4989,5023],
        [5109,5120],[5751,5759],[5789,5791],[5873,5887],[5901,5901],[5909,5919],[5943,5951],[5972,5983],[5997,5997],[6001,6001],
        [6004,6015],[6109,6111],[6122,6143],[6158,6159],[6170,6175],[6264,6271],[6314,7679],[7836,7839],[7930,7935],[7958,7959],
        [7966,7967],[8006,8007],[8014,8015],[8024,8024],[8026,8026],[8028,8028],[8030,8030],[8062,8063],[8117,8117],[8133,8133],
        [8148,8149],[8156,8156],[8176,8177],[8181,8181],[8191,8207],[8232,8238],[8275,8278],[8280,8303],[8306,8307],[8335,8351],
        [8370,8399],[8427,8447],[8507,8508],[8524,8530],[8580,8591],[9167,9215],[9255,9279],[9291,9311],[9471,9471],[9748,9749],
        [9752,9752],[9854,9855],[9866,9984],[9989,9989],[9994,9995],[10024,10024],[10060,10060],[10062,10062],[10067,10069],
        [10071,10071],[10079,10080],[10133,10135],[10160,10160],[10175,10191],[10220,10223],[11008,11903],[11930,11930],[12020,12031],
        [12246,12287],[12352,12352],[12439,12440],[12544,12548],[12589,12592],[12687,12687],[12728,12783],[12829,12831],[12868,12880],
        [12924,12926],[13004,13007],[13055,13055],[13175,13178],[13278,13279],[13311,13311],[19894,19967],[40870,40959],[42125,42127],
        [42183,44031],[55204,63743],[64046,64047],[64107,64255],[64263,64274],[64280,64284],[64311,64311],[64317,64317],[64319,64319],
        [64322,64322],[64325,64325],[64434,64466],[64832,64847],[64912,64913],[64968,65007],[65021,65055],[65060,65071],[65095,65096],
        [65107,65107],[65127,65127],[65132,65135],[65141,65141],[65277,65280],[65471,65473],[65480,65481],[65488,65489],[65496,65497],
        [65501,65503],[65511,65511],[65519,66303],[66335,66335],[66340,66351],[66379,66559],[66598,66599],[66638,118783],
        [119030,119039],[119079,119081],[119155,119162],[119262,119807],[119893,119893],[119965,119965],[119968,119969],[119971,119972],
        [119975,119976],[119981,119981],[119994,119994],[119996,119996],[120001,120001],[120004,120004],[120070,120070],[120075,120076],
        [120085,120085],[120093,120093],[120122,120122],[120127,120127],[120133,120133],[120135,120137],[120145,120145],[120484,120487],
        [120778,120781],[120832,131071],[173783,194559],[195102,1114111]}'::int4multirange
    WHEN 'right to left' THEN '{
        [1470,1470],[1472,1472],[1475,1475],[1488,1524],[1563,1610],[1645,1647],[1649,1749],[1765,1766],[1786,1808],[1810,1836],
        [1920,1957],[1969,1969],[64285,64285],[64287,64296],[64298,64829],[64848,65020],[65136,65276]}'::int4multirange
    WHEN 'left to right' THEN '{
        [65,90],[97,122],[170,170],[181,181],[186,186],[192,214],[216,246],[248,696],[699,705],[720,721],[736,740],[750,750],[890,890],
        [902,902],[904,1013],[1024,1154],[1162,1417],[2307,2361],[2365,2368],[2377,2380],[2384,2384],[2392,2401],[2404,2416],
        [2434,2489],[2494,2496],[2503,2508],[2519,2529],[2534,2545],[2548,2554],[2565,2617],[2622,2624],[2649,2671],[2674,2676],
        [2691,2745],[2749,2752],[2761,2764],[2768,2799],[2818,2873],[2877,2878],[2880,2880],[2887,2892],[2903,2928],[2947,3007],
        [3009,3020],[3031,3129],[3137,3140],[3168,3262],[3264,3268],[3271,3275],[3285,3392],[3398,3404],[3415,3526],[3535,3537],
        [3544,3632],[3634,3635],[3648,3654],[3663,3760],[3762,3763],[3773,3782],[3792,3863],[3866,3892],[3894,3894],[3896,3896],
        [3902,3946],[3967,3967],[3973,3973],[3976,3979],[4030,4037],[4039,4140],[4145,4145],[4152,4152],[4160,4183],[4256,5786],
        [5792,5905],[5920,5937],[5941,5969],[5984,6000],[6016,6070],[6078,6085],[6087,6088],[6100,6106],[6108,6121],[6160,6312],
        [7680,8124],[8126,8126],[8130,8140],[8144,8155],[8160,8172],[8178,8188],[8305,8305],[8319,8319],[8450,8450],[8455,8455],
        [8458,8467],[8469,8469],[8473,8477],[8484,8484],[8486,8486],[8488,8488],[8490,8493],[8495,8497],[8499,8505],[8509,8511],
        [8517,8521],[8544,8579],[9014,9082],[9109,9109],[9372,9449],[12293,12295],[12321,12329],[12337,12341],[12344,12348],
        [12353,12438],[12445,12447],[12449,12538],[12540,12867],[12896,12976],[12992,42124],[44032,64279],[65313,65338],[65345,65370],
        [65382,65500],[66304,119142],[119146,119154],[119171,119172],[119180,119209],[119214,120777],[131072,195101]}'::int4multirange
END;

COMMENT ON FUNCTION unsecure.stringprep_table(text) IS
    'Code points by SASLprep''s tables: forbidden, right to left, left to right. Good only for what was mapped, and for the last two is not forbidden.';

-- What libpq does with the password that is typed: like PostgreSQL, it takes the bytes as they are when SASLprep forbids the string (emoji,
-- for example, which Unicode 3.2 did not know), and it looks for what is forbidden before NFKC, not after it as RFC 3454 has it. In a
-- database of another encoding than UTF8, PostgreSQL takes the bytes of that encoding.
CREATE OR REPLACE FUNCTION unsecure.saslprep(_password text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $function$
DECLARE
    v_mapped   text;
    v_prepared text;
    v_rtl      int4multirange := unsecure.stringprep_table('right to left');
BEGIN
    IF octet_length(_password) = length(_password) OR getdatabaseencoding() <> 'UTF8' THEN
        RETURN _password;
    END IF;
    -- Spaces (C.1.2) come before what is mapped to nothing (B.1): U+200B is in both.
    v_mapped := regexp_replace(
        regexp_replace(_password, '[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]', ' ', 'g'),
        '[\u00AD\u034F\u1806\u180B-\u180D\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]', '', 'g');
    v_prepared := normalize(v_mapped, NFKC);
    IF v_mapped = '' OR v_prepared = _password THEN
        RETURN _password;
    END IF;
    RETURN (
        SELECT CASE
            WHEN bool_or(c.code <@ unsecure.stringprep_table('forbidden'))
                 OR bool_or(c.code <@ v_rtl)
                    AND (bool_or(c.code <@ unsecure.stringprep_table('left to right'))
                         OR NOT ascii(v_mapped) <@ v_rtl OR NOT ascii(right(v_mapped, 1)) <@ v_rtl) THEN _password
            ELSE v_prepared
        END
        FROM (SELECT ascii(t.c) AS code FROM string_to_table(v_mapped, NULL) AS t (c)) AS c);
END;
$function$;

COMMENT ON FUNCTION unsecure.saslprep(text) IS 'The password as SCRAM takes it (RFC 4013); unchanged where that forbids it.';

CREATE OR REPLACE FUNCTION unsecure.hmac_pad(
    _key  bytea,
    _mask integer
)
RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT string_agg(set_byte('\x00'::bytea, 0, CASE WHEN i < octet_length(k.key) THEN get_byte(k.key, i) ELSE 0 END # _mask), ''::bytea ORDER BY i)
    FROM (SELECT CASE WHEN octet_length(_key) > 64 THEN sha256(_key) ELSE _key END) AS k (key)
    CROSS JOIN generate_series(0, 63) AS i;
$function$;

COMMENT ON FUNCTION unsecure.hmac_pad(bytea, integer) IS 'The block that HMAC-SHA-256 begins with: _mask 54 (0x36) inside, 92 (0x5c) outside.';

CREATE OR REPLACE FUNCTION unsecure.scram_secret(
    _password   text,
    _salt       bytea,
    _iterations integer
)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $function$
DECLARE
    v_key    bytea := convert_to(unsecure.saslprep(_password), getdatabaseencoding());
    v_inside bytea := unsecure.hmac_pad(v_key, 54);
    v_around bytea := unsecure.hmac_pad(v_key, 92);
    v_block  bytea := sha256(v_around || sha256(v_inside || _salt || '\x00000001'::bytea));
    v_sum    bit(256) := ('x' || encode(v_block, 'hex'))::bit(256);
BEGIN
    -- Nearly all of the time is spent here; more statements, or a set, would double it.
    FOR v_round IN 2 .. _iterations LOOP
        v_block := sha256(v_around || sha256(v_inside || v_block));
        v_sum := v_sum # ('x' || encode(v_block, 'hex'))::bit(256);
    END LOOP;

    v_key := int8send(substring(v_sum FROM 1 FOR 64)::bigint) || int8send(substring(v_sum FROM 65 FOR 64)::bigint)
          || int8send(substring(v_sum FROM 129 FOR 64)::bigint) || int8send(substring(v_sum FROM 193 FOR 64)::bigint);
    v_inside := unsecure.hmac_pad(v_key, 54);
    v_around := unsecure.hmac_pad(v_key, 92);
    RETURN format('SCRAM-SHA-256$%s:%s$%s:%s', _iterations, replace(encode(_salt, 'base64'), E'\n', ''),
                  encode(sha256(sha256(v_around || sha256(v_inside || 'Client Key'::bytea))), 'base64'),
                  encode(sha256(v_around || sha256(v_inside || 'Server Key'::bytea)), 'base64'));
END;
$function$;

COMMENT ON FUNCTION unsecure.scram_secret(text, bytea, integer) IS 'The verifier of a password with this salt, as PostgreSQL would make it.';

CREATE OR REPLACE FUNCTION auth.scram_verifier(
    _password   text,
    _iterations integer DEFAULT 4096
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF coalesce(_password, '') = '' OR coalesce(_iterations NOT BETWEEN 4096 AND 1000000, true) THEN
        RAISE EXCEPTION 'no verifier can be made of this'
            USING ERRCODE = 'RW508',
                  DETAIL  = CASE WHEN coalesce(_password, '') = '' THEN 'The password is empty; PostgreSQL lets nobody in with that.'
                                 ELSE format('%s iterations; 4096 to 1000000 are possible.', coalesce(_iterations::text, 'NULL')) END,
                  HINT    = 'Choose another one.';
    END IF;
    RETURN unsecure.scram_secret(
        _password, substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), _iterations);
END;
$function$;

COMMENT ON FUNCTION auth.scram_verifier(text, integer) IS
    'A SCRAM-SHA-256 verifier of a password, with a random salt: what ALTER ROLE and auth.sync_identity take in the place of the password. The '
    'statement that calls this has the password in it, and PostgreSQL may log it (log_statement, log_min_duration_statement): where that matters, '
    'make the verifier at the client (psql: \password; the command line does it). RW508: an empty password, or iterations out of bounds.';

REVOKE ALL ON FUNCTION auth.scram_verifier(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.scram_verifier(text, integer) TO rolewright_operator;

-- PostgreSQL takes a malformed verifier for a password and hashes it: nobody could log in any more, or anybody who knows what was sent.
CREATE OR REPLACE FUNCTION unsecure.require_verifier(_verifier text)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_part    text[] := regexp_match(
        _verifier,
        '^SCRAM-SHA-256\$([1-9][0-9]{3,6}):((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==))'
        || '\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$');
    v_problem text;
BEGIN
    v_problem := CASE
        WHEN starts_with(_verifier, 'md5') THEN 'It is an md5 hash: whoever has that can log in with it, and PostgreSQL gives it up.'
        WHEN octet_length(_verifier) > 512 THEN format('It has %s bytes; PostgreSQL takes 512.', octet_length(_verifier))
        WHEN v_part IS NULL THEN 'It is not SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, the last three in base64, the keys of 32 bytes.'
        WHEN v_part[1]::integer NOT BETWEEN 4096 AND 1000000 THEN 'It has less than 4096 or more than 1000000 iterations.'
        WHEN EXISTS (SELECT FROM unnest(v_part[2:4]) AS p WHERE replace(encode(decode(p, 'base64'), 'base64'), E'\n', '') <> p)
            THEN 'Its base64 is not canonical: there are bits after the end.'
    END;
    -- PostgreSQL would take the password away instead, with a mere NOTICE.
    IF v_problem IS NULL AND unsecure.scram_secret('', decode(v_part[2], 'base64'), v_part[1]::integer) = _verifier THEN
        v_problem := 'It is one of the empty password.';
    END IF;
    IF v_problem IS NOT NULL OR _verifier IS NULL THEN
        RAISE EXCEPTION 'this is not a verifier that PostgreSQL could check a password with'
            USING ERRCODE = 'RW509',
                  DETAIL  = coalesce(v_problem, 'It is NULL.'),
                  HINT    = 'auth.scram_verifier, or psql''s \password, makes one. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_verifier(text) IS
    'RW509 unless it is a well-formed SCRAM-SHA-256 verifier with 4096 to 1000000 iterations. The error does not contain it.';

CREATE OR REPLACE FUNCTION unsecure.password_verifier(_password text)
RETURNS text
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF starts_with(_password, 'SCRAM-SHA-256$') OR _password ~ '^md5[0-9a-f]{32}$' THEN
        PERFORM unsecure.require_verifier(_password);
        RETURN _password;
    END IF;
    RETURN CASE WHEN _password IS NOT NULL THEN auth.scram_verifier(_password) END;
END;
$function$;

COMMENT ON FUNCTION unsecure.password_verifier(text) IS
    'The verifier of a password; what begins like a verifier (SCRAM or md5) is meant as one. NULL: NULL. RW509: malformed.';

REVOKE ALL ON FUNCTION
    unsecure.stringprep_table(text),
    unsecure.saslprep(text),
    unsecure.hmac_pad(bytea, integer),
    unsecure.scram_secret(text, bytea, integer),
    unsecure.require_verifier(text),
    unsecure.password_verifier(text)
FROM PUBLIC;

-- What was set last, since PostgreSQL lets no one but superusers compare: a digest of the verifier, and what it takes to make the verifier of a
-- password again.
CREATE TABLE unsecure.declared_password (
    role_oid   oid     NOT NULL,
    salt       bytea   NOT NULL,
    iterations integer NOT NULL,
    digest     bytea   NOT NULL,
    CONSTRAINT declared_password_pkey PRIMARY KEY (role_oid)
);

COMMENT ON TABLE unsecure.declared_password IS 'Digests of the verifiers that declarations have set. A password changed by hand does not show here.';

REVOKE ALL ON unsecure.declared_password FROM PUBLIC;

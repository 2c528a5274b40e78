-- _BY_OTHER
SELECT other_id, friendship_id, state, changed_at FROM friend
WHERE bucket = :bucket AND person_id = :person AND other_id = :other

-- _BY_FRIENDSHIP
SELECT other_id, friendship_id, state, changed_at FROM friend
WHERE bucket = :bucket AND person_id = :person AND friendship_id = :friendship

-- _OPEN
SELECT local_day, activity, round, points, lapsed, reversed, to_friends,
       points - collected - lapsed - reversed - to_friends AS uncollected, ripens_at, lapses_at,
       EXISTS (SELECT 1 FROM friend_take
               WHERE friend_take.bucket = earning.bucket
                 AND friend_take.person_id = earning.person_id
                 AND friend_take.local_day = earning.local_day
                 AND friend_take.activity = earning.activity
                 AND friend_take.round = earning.round
                 AND friend_take.friend_id = :other) AS taken_before
FROM earning
WHERE bucket = :bucket AND person_id = :person AND is_open
  AND ripens_at <= :now AND lapses_at > :now
ORDER BY local_day, activity, round

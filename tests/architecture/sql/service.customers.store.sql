-- _LOCK_CODE
   SELECT partner, customer_id, scenario, text_version, expires_at, link_id FROM link_code
   WHERE bucket = :bucket AND code_key = :code
FOR UPDATE

-- _FIND_LINK
   SELECT link.link_id, link.partner, customer_id, waiting_id, scenario, text_version, linked_at,
          ended_at
   FROM link LEFT JOIN link_end USING (bucket, person_id, link_id)
   WHERE link.bucket = :bucket AND link.person_id = :person
AND link.link_id = :link

-- _LINKS
   SELECT link.link_id, link.partner, customer_id, waiting_id, scenario, text_version, linked_at,
          ended_at
   FROM link LEFT JOIN link_end USING (bucket, person_id, link_id)
   WHERE link.bucket = :bucket AND link.person_id = :person
AND link.link_id < :before ORDER BY link.link_id DESC LIMIT :limit

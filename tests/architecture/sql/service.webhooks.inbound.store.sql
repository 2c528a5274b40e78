-- _ONE
SELECT 
   connector.connector_id, connector.partner, connector.version, connector.secrets,
   connector.created_at, connector.disabled_at, connector.key_prefix, current.config,
   current.created_at AS changed_at

   FROM connector JOIN connector_version AS current USING (connector_id, version)
WHERE connector_id = :id

-- _LIST
SELECT 
connector.connector_id, connector.partner, connector.version, connector.secrets,
connector.created_at, connector.disabled_at, connector.key_prefix, current.config,
current.created_at AS changed_at

FROM connector JOIN connector_version AS current USING (connector_id, version)

WHERE connector.partner = :partner AND connector_id > :after
ORDER BY connector_id LIMIT :limit

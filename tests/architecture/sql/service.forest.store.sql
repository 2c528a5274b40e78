-- _TAKE_IF_FREE
UPDATE stock_cell SET sold = sold + 1
WHERE bucket = :cell AND project = :project AND sold < capacity AND EXISTS (
    SELECT 1 FROM stock_cell WHERE bucket = :cell AND project = :project AND sold < capacity
    FOR UPDATE SKIP LOCKED)
RETURNING lot, sold = capacity AS emptied

-- _TAKE_IN_TURN
UPDATE stock_cell SET sold = sold + 1
WHERE bucket = :cell AND project = :project AND sold < capacity
RETURNING lot, sold = capacity AS emptied

-- _ORDER
   SELECT bucket, tree_order.order_id, person_id, tree_order.project, points, serial, partner,
          placed_at, refunded_at, certificate.lot, cell, display_name, lot.state AS lot_state
   FROM tree_order JOIN certificate USING (bucket, serial) JOIN lot USING (lot)
WHERE tree_order.bucket = :bucket AND tree_order.order_id = :order

-- _ORDERS_OF
SELECT bucket, tree_order.order_id, person_id, tree_order.project, points, serial, partner,
       placed_at, refunded_at, certificate.lot, cell, display_name, lot.state AS lot_state
FROM tree_order JOIN certificate USING (bucket, serial) JOIN lot USING (lot)

WHERE tree_order.bucket = :bucket AND person_id = :person AND tree_order.order_id < :before
ORDER BY tree_order.order_id DESC LIMIT :limit

-- _LOT
   SELECT lot.lot, lot.project, number, state, planted, surviving,
          (SELECT count(*) FROM certificate
           WHERE certificate.lot = lot.lot AND voided_at IS NULL) AS trees,
          (SELECT max(on_day) FROM lot_report WHERE lot_report.lot = lot.lot) AS last_report
   FROM lot
WHERE lot.lot = :lot

-- _LOTS_OF
SELECT lot.lot, lot.project, number, state, planted, surviving,
       (SELECT count(*) FROM certificate
        WHERE certificate.lot = lot.lot AND voided_at IS NULL) AS trees,
       (SELECT max(on_day) FROM lot_report WHERE lot_report.lot = lot.lot) AS last_report
FROM lot

WHERE (CAST(:project AS text) IS NULL OR project = :project)
  AND (CAST(:state AS text) IS NULL OR state = :state) AND lot.lot > :after
ORDER BY lot.lot LIMIT :limit

-- _TO_PLANT
   SELECT lots.*, project.name AS project_name, place, region, planting_partner,
          species.species, scientific_name, local_name
   FROM (
   SELECT lot.lot, lot.project, number, state, planted, surviving,
          (SELECT count(*) FROM certificate
           WHERE certificate.lot = lot.lot AND voided_at IS NULL) AS trees,
          (SELECT max(on_day) FROM lot_report WHERE lot_report.lot = lot.lot) AS last_report
   FROM lot
WHERE state <> 'pledged') AS lots
   JOIN project USING (project) JOIN species USING (species)
   WHERE (CAST(:partner AS text) IS NULL OR planting_partner = :partner)
   ORDER BY lots.lot

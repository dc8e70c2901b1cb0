-- Question: which subscriptions do the customers hold?
-- Inputs:   snapshot: customers (customer_id, subscriptions: list of structs)
-- Outputs:  one row per embedded subscription
SELECT
    get_field(subscription, 'subscription_id') AS subscription_id,
    customer_id,
    get_field(subscription, 'plan')            AS plan,
    get_field(subscription, 'seats')           AS seats,
    get_field(subscription, 'amount')          AS amount,
    get_field(subscription, 'currency')        AS currency,
    get_field(subscription, 'status')          AS status,
    get_field(subscription, 'note')            AS note,
    get_field(subscription, 'renews_at')       AS renews_at
FROM (SELECT customer_id, unnest(subscriptions) AS subscription FROM snapshot)

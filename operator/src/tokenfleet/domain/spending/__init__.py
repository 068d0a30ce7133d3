"""Who spends what: money and tokens by user, feature, request type, route."""

"""Links: which person a partner's customer is, and to which account the customer's events go."""

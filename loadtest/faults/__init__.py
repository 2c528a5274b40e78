"""Faults under load: break one thing, and prove that nothing was lost or counted twice."""

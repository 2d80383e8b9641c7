"""A travel booking on real, flaky partner services, run without protection beside the same run with it."""

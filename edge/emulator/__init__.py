"""CloudFront on one machine, with the built bundle on its triggers."""

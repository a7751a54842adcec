"""The ids of AWS's managed CloudFront policies, the same in every account.

From "Use managed cache policies" and "Use managed origin request policies" in the
developer guide of Amazon CloudFront.
"""

# Nothing is kept, and nothing is in the cache key: every request reaches the origin.
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# A day, unless the origin says otherwise: paid paths must not use it.
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"

ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
ALL_VIEWER_AND_CLOUDFRONT_HEADERS_2022_06 = "33f36d7e-f396-46d9-90e0-52428a34d9dc"
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

# These hand every header of the viewer's request on, and with it those that the gate
# adds. They hand all cookies and the whole query on as well.
FORWARDS_EVERY_HEADER = frozenset(
    {
        ALL_VIEWER,
        ALL_VIEWER_AND_CLOUDFRONT_HEADERS_2022_06,
        ALL_VIEWER_EXCEPT_HOST_HEADER,
    }
)

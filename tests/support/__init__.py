# SPDX-License-Identifier: MIT
"""What the tests share: a PostgreSQL server of their own, the wire protocol's client side, transcripts, relays."""

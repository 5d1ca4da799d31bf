"""The golden requests, one file a family. Each family's `cases()` yields `Case`s in a fixed order."""

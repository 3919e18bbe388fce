"""The version of mmviz, which a link carries."""

VERSION = "0.2.0"

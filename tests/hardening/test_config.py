"""What .streamlit/config.toml says of who may come and how much they may bring."""

from __future__ import annotations

import json

import streamlit as st

from tests.hardening.live import request


def test_limits_and_locks():
    wanted = {"server.maxUploadSize": 120, "server.maxMessageSize": 32, "server.maxWidgetStateSize": 8,
              "server.enableXsrfProtection": True, "server.enableCORS": True, "server.enableStaticServing": False,
              "server.enableAgentApi": False, "server.allowedHosts": ["localhost", "127.0.0.1"],
              "client.showErrorDetails": "none", "client.allowedOrigins": []}  # fmt: skip
    assert {name: st.get_option(name) for name in wanted} == wanted


def test_no_other_site_may_steer_the_app(server):
    assert json.loads(request(server, "GET", "/_stcore/host-config")[1])["allowedOrigins"] == []
    assert "SameSite=Strict" in request(server, "GET", "/_stcore/health")[2]["set-cookie"]

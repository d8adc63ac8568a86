"""The app behind its guard, as app.py starts it."""

import streamlit as st

from pages.kit import guard, sessions
from pages.kit.rooms import ROOT

app = st.App(ROOT / "app.py", middleware=guard.middleware(), lifespan=sessions.lifespan,
             on_script_error=guard.sorry)  # fmt: skip

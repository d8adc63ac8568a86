"""Saccade: navigation and page config, nothing else."""

import streamlit as st

from pages.kit.rooms import ICON, LOGO, navigation

st.set_page_config("Saccade", page_icon=ICON, layout="wide")
st.logo(LOGO, size="large", icon_image=ICON)
navigation().run()

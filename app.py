"""Saccade: navigation and page config of a visit, and the server around it; nothing else."""

import streamlit as st

from pages.kit import guard, keepsake, sessions
from pages.kit.rooms import ICON, LOGO, navigation

if __name__ == "__main__":  # each run of a visit
    sessions.here()
    st.set_page_config("Saccade", page_icon=ICON, layout="wide")
    st.logo(LOGO, size="large", icon_image=ICON)
    page = navigation()
    keepsake.stow()
    keepsake.come_back()
    keepsake.say()
    page.run()
else:  # imported once by `streamlit run app.py`
    app = st.App(__file__, middleware=guard.middleware(), lifespan=sessions.lifespan,
                 on_script_error=guard.sorry)  # fmt: skip

"""The script of the pages, alone here: Streamlit puts its folder on ``sys.path``."""

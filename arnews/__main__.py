from arnews.cli import app

app()

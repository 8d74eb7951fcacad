"""The yardstick: the smallest useful Flask."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
@app.get("/healthz")
def hello() -> str:
    return "Hello, World!"

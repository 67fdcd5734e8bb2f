"""Runs Alembic's commands, one after the other, and says after each which heads the ledger names.

    python3 steps.py FOLDER COMMAND,ARGUMENT...
"""
import contextlib
import io
import os
import sys

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

folder = sys.argv[1]
for step in sys.argv[2:]:
    name, *arguments = step.split(",")
    told = io.StringIO()
    config = Config(stdout=told)
    config.set_main_option("script_location", folder)
    with contextlib.redirect_stdout(told):
        getattr(command, name)(config, *arguments)
    with create_engine(os.environ["ALEMBIC_URL"]).connect() as c:
        rows = c.exec_driver_sql("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    if name in ("current", "heads"):
        print(step, "says", " ".join(sorted(told.getvalue().split("\n"))).strip())
    else:
        print(step, " ".join(r[0] for r in rows))

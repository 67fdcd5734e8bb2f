import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
from django.core.management import execute_from_command_line  # noqa: E402

# Several commands may stand in one call, with a comma between them.
command = sys.argv[:1]
for argument in sys.argv[1:] + [","]:
    if argument == ",":
        execute_from_command_line(command)
        command = sys.argv[:1]
    else:
        command.append(argument)

"""A bookshop in Django that knows nothing of Treaty.

DATABASE_URL=sqlite:PATH | postgresql://USER@/NAME?host=FOLDER  manage.py migrate|opening|trade|rename|figures
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    execute_from_command_line(sys.argv)

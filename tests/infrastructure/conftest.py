"""What needs Terraform itself is asked where it is installed."""

import shutil

collect_ignore = [] if shutil.which("terraform") else ["test_with_terraform.py"]

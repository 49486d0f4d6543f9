#!/bin/sh
# Before the files go. Called with "remove" by dpkg and "0" by rpm when it is not an upgrade. The state directory stays:
# it may hold events that the SIEM has not seen yet.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then systemctl --no-reload disable --now siembridge || true; fi
fi

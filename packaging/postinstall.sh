#!/bin/sh
# After the files are in place: the service's user. The service is not started: it has nothing to do before it is
# configured.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers siembridge.conf
elif ! getent passwd siembridge >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/siembridge --shell /usr/sbin/nologin siembridge
fi
install -d -m 0700 -o siembridge -g siembridge /var/lib/siembridge
chown root:siembridge /etc/siembridge/siembridge.toml
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if systemctl is-active --quiet siembridge; then systemctl try-restart siembridge; fi
fi

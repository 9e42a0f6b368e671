"""The scripts of a Flux job: one prepares a node in an init container, the other starts Flux and the command.

They serve the pods that the Flux plugin builds. Paths and broker settings are those of Kubeflow Trainer's pods, because
images with Flux (https://github.com/converged-computing/flux-views) expect them. The scripts have not been run: there
is no package of Flux to test with.

Upstream: https://github.com/kubeflow/trainer/tree/v2.3.0/pkg/runtime/framework/plugins/flux/templates
"""

from __future__ import annotations

from string import Template
from typing import Final

BROKER_PORT: Final = 8050

_BROKER: Final = Template("""\
[access]
allow-guest-user = true
allow-root-owner = true

[resource]
path = "/mnt/flux/config/etc/flux/system/R"

[bootstrap]
curve_cert = "/mnt/flux/config/etc/curve/curve.cert"
default_port = $port
default_bind = "tcp://$device:%p"
default_connect = "tcp://%h.$domain:%p"
hosts = [{ host = "$hosts" }]

[archive]
dbpath = "/mnt/flux/config/var/lib/flux/job-archive.sqlite"
period = "1m"
busytimeout = "50s"

[sched-fluxion-qmanager]
queue-policy = "$queue_policy"
""")

_INIT: Final = Template("""\
#!/bin/bash
# Write Flux's configuration, and copy Flux from this image to the volume of the node's container.
set -euo pipefail
config=/mnt/flux/config
mkdir -p /mnt/flux/view "$$config"/{run/flux,var/lib/flux} "$$config"/etc/{curve,flux/config,flux/system/cron.d}
echo "$hosts" > "$$config/etc/flux/system/hostlist"
cat > "$$config/etc/flux/config/broker.toml" <<'TOML'
${broker}TOML
cp -R /opt/views/._view/*/. /mnt/flux/view
rm -rf /mnt/flux/software
cp -R /opt/software /mnt/flux/software
""")

_ENTRYPOINT: Final = Template("""\
#!/bin/bash
# Start Flux on this node: the first node runs the command, the others serve it.
view=/mnt/flux/view
config=/mnt/flux/config
libraries=$$(echo "$$view"/lib/python3*)
export PATH="$$PATH:$$view/bin"
export PYTHONPATH="$${PYTHONPATH:-}:$$libraries/site-packages"
export LD_LIBRARY_PATH="$${LD_LIBRARY_PATH:-}:$$view/lib"
export FLUX_RC_EXTRA="$$view/etc/flux/rc1.d"
ln -sf "$$view/bin/$${libraries##*/}" "$$view/bin/python3"
cp -R /mnt/flux/software/. /opt/software/
install -m 600 /curve/curve.cert "$$config/etc/curve/curve.cert"
flux R encode --hosts="$$(cat "$$config/etc/flux/system/hostlist")" $resources > "$$config/etc/flux/system/R"
broker=(
  --config-path "$$config/etc/flux/config"
  -Scron.directory="$$config/etc/flux/system/cron.d"
  -Stbon.fanout=256
  -Srundir="$$config/run/flux"
  -Sstatedir="$$config/var/lib/flux"
  -Slocal-uri="local://$$config/run/flux/local"
  -Slog-stderr-level=0
  -Slog-stderr-mode=local
)
if [ "$$(hostname)" = "$leader" ]; then
  if [ -z "$$*" ]; then
    exec flux broker "$${broker[@]}"
  fi
  # The command is one argument: its words are separated by the shell, as in Kubeflow's pods.
  exec flux start "$${broker[@]}" flux run $flags $$*
fi
until flux start "$${broker[@]}"; do
  echo "Flux ended with $$?; trying again in 15 seconds"
  sleep 15
done
""")


def init_script(*, hosts: str, domain: str, device: str, queue_policy: str) -> str:
    """Return the script of the init container; `hosts` is a host list of Flux, such as ``j-node-0-[0-3]``."""
    broker = _BROKER.substitute(port=BROKER_PORT, device=device, domain=domain, hosts=hosts, queue_policy=queue_policy)
    return _INIT.substitute(hosts=hosts, broker=broker)


def entrypoint_script(*, leader: str, resources: str, flags: str) -> str:
    """Return the script of the node's container.

    `leader` is the host name of the first node, `resources` the options of ``flux R encode``, `flags` those of
    ``flux run``.
    """
    return _ENTRYPOINT.substitute(leader=leader, resources=resources, flags=flags)

#!/bin/sh
# Starts the command given once the agent has published its first set. Put it into the application's image.
until [ -e "${CONJUR_STATUS_DIRECTORY:-/conjur/status}/CONJUR_SECRETS_PROVIDED" ]; do sleep 1; done
exec "$@"

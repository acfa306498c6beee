"""Works a Conjur with its official Python client and prints what it sees, as one JSON document."""

import asyncio
import json
import sys

from conjur_api import Client
from conjur_api.models import (
    ConjurConnectionInfo,
    CredentialsData,
    ListMembersOfData,
    ListPermittedRolesData,
    Resource,
    SslVerificationMode,
)
from conjur_api.providers import AuthnAuthenticationStrategy, JWTAuthenticationStrategy, SimpleCredentialsProvider

URL, ACCOUNT, CA, ADMIN_KEY, POLICY, PATCH, JWT = sys.argv[1:8]


def as_user(name, key):
    credentials = SimpleCredentialsProvider()
    credentials.save(CredentialsData(username=name, password=key, machine=URL))
    return client(AuthnAuthenticationStrategy(credentials))


def client(strategy, service_id=None):
    connection = ConjurConnectionInfo(conjur_url=URL, account=ACCOUNT, cert_file=CA, service_id=service_id)
    return Client(
        connection,
        authn_strategy=strategy,
        ssl_verification_mode=SslVerificationMode.CA_BUNDLE,
        async_mode=True,
    )


async def status_of(coroutine):
    try:
        await coroutine
        return "allowed"
    except Exception as error:  # the client has an error class for each status
        return f"{type(error).__name__} {getattr(error, 'status', '')}".strip()


async def main():
    admin = as_user("admin", ADMIN_KEY)
    seen = {"login_yields_key": (await admin.login()) == ADMIN_KEY}
    loaded = await admin.load_policy_file("root", POLICY)
    seen["created"] = sorted(loaded["created_roles"])
    rehearsed = await admin.load_policy_file("root", POLICY, dry_run=True)
    seen["rehearsal"] = rehearsed["status"]

    await admin.set("app/password", "p@ss & <word>")
    await admin.set("app/unicode", "grüße 🔑")
    await admin.set("conjur/authn-jwt/prod/issuer", json.loads(JWT)["issuer"])
    await admin.set("conjur/authn-jwt/prod/public-keys", json.dumps(json.loads(JWT)["keys"]))
    await admin.set("conjur/authn-jwt/prod/token-app-property", "kubernetes.io/serviceaccount/name")
    await admin.set("conjur/authn-jwt/prod/identity-path", "app")
    # authn-jwt/prod is on from the start: this client would send the switch as text/plain, which Conjur reads as off.
    seen["single"] = (await admin.get("app/password")).decode()
    await admin.set("app/password", "second")
    seen["versions"] = [(await admin.get("app/password", version)).decode() for version in ("1", "2")]
    many = await admin.get_many("app/password", "app/unicode")
    seen["many"] = {name: value if isinstance(value, str) else value.decode() for name, value in many.items()}

    host_key = loaded["created_roles"][f"{ACCOUNT}:host:app/web"]["api_key"]
    host = as_user("host/app/web", host_key)
    seen["host_reads"] = (await host.get("app/password")).decode()
    seen["host_writes"] = await status_of(host.set("app/password", "mine"))
    seen["host_sees"] = sorted(await host.list({"kind": "variable"}))
    by_jwt = client(JWTAuthenticationStrategy(json.loads(JWT)["token"]), "prod")
    seen["whoami_by_jwt"] = (await by_jwt.whoami())["username"]
    seen["jwt_reads"] = (await by_jwt.get("app/unicode")).decode()
    refused = client(JWTAuthenticationStrategy("a.b.c"), "prod")
    seen["bad_jwt"] = await status_of(refused.get("app/unicode"))

    seen["may_execute"] = await admin.check_privilege("variable", "app/password", "execute", f"{ACCOUNT}:user:admin")
    seen["missing"] = await admin.resource_exists("variable", "app/nope")
    seen["role_exists"] = await admin.role_exists("host", "app/web")
    asked = ListMembersOfData(identifier="app/readers")
    asked.resource = Resource("group", "app/readers")
    members = await admin.list_members_of_role(asked)
    seen["members"] = sorted(each if isinstance(each, str) else each["member"] for each in members)
    permitted = await admin.list_permitted_roles(
        ListPermittedRolesData(kind="variable", identifier="app/password", privilege="execute")
    )
    seen["permitted"] = sorted(permitted)
    new_key = await admin.rotate_other_api_key(Resource("host", "app/web"))
    seen["rotated"] = (await as_user("host/app/web", new_key).whoami())["username"]
    seen["old_key"] = await status_of(as_user("host/app/web", host_key).whoami())
    await admin.update_policy_file("root", PATCH)
    seen["after_patch"] = await status_of(by_jwt.get("app/password"))
    print(json.dumps(seen))


asyncio.run(main())

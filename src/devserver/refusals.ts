import { listed, Refusal, type Reason } from './refusal.ts'

/* Every refusal that more than one check makes; the rest stand beside the check that makes them. */

export function accountNotDefined(account: string): Refusal {
  return security('AccountNotDefined', `CONJ00008E Account '${account}' is not defined in Conjur`, {
    because: `there is no account ${account}; the account is part of the URL`,
  })
}

export function notEnabled(name: string): Refusal {
  return security('AuthenticatorNotWhitelisted', `CONJ00004E '${name}' is not enabled`, {
    because: `is not enabled: PATCH /${name}/ACCOUNT with enabled=true, or start with --authenticators ${name}`,
  })
}

export function webserviceNotFound(name: string): Refusal {
  return security('WebserviceNotFound', `CONJ00005E Webservice '${name}' not found`, {
    because: `no policy declares webservice conjur/${name}`,
  })
}

export function roleNotFound(login: string): Refusal {
  return security('RoleNotFound', `CONJ00007E '${login}' not found`, {
    because: login.includes('/')
      ? `no policy declares ${login}`
      : `no policy declares user ${login}; a host's login begins with host/`,
  })
}

export function lacksPrivilege(
  who: string,
  wish: { readonly privilege: string; readonly on: string },
  reason?: Reason,
): Refusal {
  return security(
    'RoleNotAuthorizedOnResource',
    `CONJ00006E '${who}' does not have '${wish.privilege}' privilege on ${wish.on}`,
    reason,
  )
}

export function missingResource(id: string): Refusal {
  return new Refusal(
    'Conjur::RequiredResourceMissing',
    `CONJ00036E Missing required resource: ${id}`,
    {
      because: `no policy declares ${id}`,
    },
  )
}

export function missingValue(id: string, reason?: Reason): Refusal {
  return new Refusal(
    'Conjur::RequiredSecretMissing',
    `CONJ00037E Missing value for resource: ${id}`,
    reason,
  )
}

export function missingField(field: string): Refusal {
  return authentication(
    'RequestBody::MissingRequestParam',
    `CONJ00009E Field '${field}' is missing or empty in request body`,
    { because: `the body has no ${field}=…` },
  )
}

export function tokenExpired(expiredAt: string): Refusal {
  return authentication('Jwt::TokenExpired', 'CONJ00016E Token expired', {
    because: `the token expired at ${expiredAt}`,
  })
}

export function decodeFailed(error: string, reason?: Reason): Refusal {
  return authentication(
    'Jwt::TokenDecodeFailed',
    `CONJ00035E Failed to decode token (3rdPartyError ='#<JWT::${error}>')`,
    reason ?? { because: error.slice(error.indexOf(':') + 2) },
  )
}

export function restrictionMismatch(name: string, reason: Reason): Refusal {
  return authentication(
    'ResourceRestrictions::InvalidResourceRestrictions',
    `CONJ00049E Resource restriction '${name}' does not match with the corresponding value in the request`,
    reason,
  )
}

export function constraintNotSupported(
  names: readonly string[],
  permitted: readonly string[],
  reason: Reason,
): Refusal {
  return authentication(
    'Constraints::ConstraintNotSupported',
    `CONJ00050E Resource restrictions '${listed(names)}' are not supported. The supported resources are '${listed(permitted)}'`,
    reason,
  )
}

export function missingConstraints(names: readonly string[], reason: Reason): Refusal {
  return authentication(
    'Constraints::RoleMissingConstraints',
    `CONJ00057E Role does not have the required constraints: '${listed(names)}'`,
    reason,
  )
}

export function claimMissing(claim: string): Refusal {
  return authentication(
    'Jwt::TokenClaimNotFoundOrEmpty',
    `CONJ00051E Claim '${claim}' not found or empty in token`,
    { because: `the token has no ${claim}` },
  )
}

/** A refusal of the family `Errors::Authentication`. */
export function authentication(kind: string, text: string, reason?: Reason): Refusal {
  return new Refusal(`Authentication::${kind}`, text, reason)
}

function security(kind: string, text: string, reason?: Reason): Refusal {
  return authentication(`Security::${kind}`, text, reason)
}

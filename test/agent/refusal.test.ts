import { expect, test } from 'vitest'

import { explainRefusal } from '../../src/agent/refusal.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { readPlatformToken, type PlatformToken } from '../../src/identity/source.ts'
import { TEST_TIME } from '../support/fake-clock.ts'
import { azureClaims, tokenMaker } from '../support/token-maker.ts'

const maker = await tokenMaker({ issuer: 'https://sts.windows.net/0f1e2d3c/' })
const refused = new ConjurError(
  'CONJUR_UNAUTHENTICATED',
  'Conjur refuses login host/web with authn-azure/prod (401)',
  {
    hint: 'compare',
    retryable: true,
    facts: { status: 401 },
  },
)

test('a token that can never pass is named beside the bare 401, with its cure', async () => {
  const token = await platformToken({ xms_mirid: undefined })

  const error = explainRefusal(refused, token, 'authn-azure')

  expect(error).toMatchObject({
    code: 'CONJUR_UNAUTHENTICATED',
    message:
      'Conjur refuses login host/web with authn-azure/prod (401); its token: no xms_mirid: this is no managed identity, an app registration for instance',
    hint: expect.stringContaining('CONJUR_AUTHENTICATOR=authn-jwt/<service id>'),
    retryable: true,
    facts: { status: 401 },
  })
})

test('a token without a fault leaves the refusal as it is', async () => {
  expect(explainRefusal(refused, await platformToken({}), 'authn-azure')).toBe(refused)
})

test('where Conjur says why, nothing is guessed', async () => {
  const expired = new ConjurError('CONJUR_UNAUTHENTICATED', 'expired', {
    hint: 'x',
    facts: { conjurCode: 'CONJ00016E' },
  })

  expect(
    explainRefusal(expired, await platformToken({ xms_mirid: undefined }), 'authn-azure'),
  ).toBe(expired)
})

test('other errors, and other credentials, are left alone', async () => {
  const away = new ConjurError('CONJUR_UNAVAILABLE', 'away', { hint: 'wait' })
  const token = await platformToken({ oid: undefined })

  expect(explainRefusal(away, token, 'authn-azure')).toBe(away)
  expect(explainRefusal(refused, { kind: 'api-key', secret: new Secret('k') }, 'authn')).toBe(
    refused,
  )
})

test('P2: the token itself is not in it', async () => {
  const token = await platformToken({ oid: undefined })

  const error = explainRefusal(refused, token, 'authn-azure') as ConjurError

  expect(JSON.stringify([error.message, error.hint, error.lines, error.facts])).not.toContain(
    token.secret.text(),
  )
})

async function platformToken(claims: Readonly<Record<string, unknown>>): Promise<PlatformToken> {
  const jwt = await maker.make({ ...azureClaims(), ...claims })
  return readPlatformToken(jwt, { from: 'the test', now: TEST_TIME })
}

import { expect, test } from 'vitest'

import { awsOrigin } from '../../src/config/aws-origin.ts'

const ROLE = 'arn:aws:iam::123456789012:role/web'

test.each<[string, Record<string, string>, object]>([
  ['static keys', { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }, { kind: 'static' }],
  [
    'static keys before web identity',
    {
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      AWS_WEB_IDENTITY_TOKEN_FILE: '/t',
      AWS_ROLE_ARN: ROLE,
    },
    { kind: 'static' },
  ],
  ['half a pair', { AWS_ACCESS_KEY_ID: 'a' }, { name: 'AWS_SECRET_ACCESS_KEY' }],
  ['the other half', { AWS_SECRET_ACCESS_KEY: 'a' }, { name: 'AWS_ACCESS_KEY_ID' }],
  [
    'web identity',
    { AWS_WEB_IDENTITY_TOKEN_FILE: '/t', AWS_ROLE_ARN: ROLE },
    { kind: 'web-identity', sessionName: 'conjur-agent' },
  ],
  ['web identity without a role', { AWS_WEB_IDENTITY_TOKEN_FILE: '/t' }, { name: 'AWS_ROLE_ARN' }],
  [
    'an ECS task',
    { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' },
    { kind: 'container', url: new URL('http://169.254.170.2/v2/x') },
  ],
  [
    'an ECS task that tries another host',
    { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '//evil.example.com/x' },
    { kind: 'container', url: new URL('http://169.254.170.2//evil.example.com/x') },
  ],
  [
    'an ECS task with user info',
    { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '@evil.example.com/x' },
    { name: 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' },
  ],
  [
    'Pod Identity',
    {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/t',
    },
    { kind: 'container', authorization: { file: '/t' } },
  ],
  [
    'Pod Identity over IPv6',
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://[fd00:ec2::23]/v1/credentials' },
    { kind: 'container' },
  ],
  [
    'both URIs',
    {
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x',
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1/',
    },
    { name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI' },
  ],
  [
    'both tokens',
    {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1/',
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'a',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/t',
    },
    { name: 'AWS_CONTAINER_AUTHORIZATION_TOKEN' },
  ],
  [
    'a full URI elsewhere',
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://10.0.0.1/' },
    { name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI' },
  ],
  [
    'a full URI elsewhere by TLS',
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'https://10.0.0.1/' },
    { kind: 'container' },
  ],
  ['nothing', {}, { kind: 'instance', baseUrl: new URL('http://169.254.169.254') }],
  [
    'nothing, the instance switched off',
    { AWS_EC2_METADATA_DISABLED: 'true' },
    { name: 'AWS_EC2_METADATA_DISABLED' },
  ],
  [
    'the instance elsewhere',
    { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://imds.example.com' },
    { name: 'AWS_EC2_METADATA_SERVICE_ENDPOINT' },
  ],
  [
    'the instance on loopback',
    { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1338' },
    { kind: 'instance' },
  ],
  [
    'empty variables',
    { AWS_ACCESS_KEY_ID: '', AWS_WEB_IDENTITY_TOKEN_FILE: ' ' },
    { kind: 'instance' },
  ],
])('the environment names %s', (_what, environment, expected) => {
  expect(awsOrigin(environment)).toMatchObject(expected)
})

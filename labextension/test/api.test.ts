import type { ServerConnection as Lab } from '@jupyterlab/services';
import { expect, test } from 'vitest';

import { Api, ServerError } from '../src/lab/server/api';
import { ServerConnection } from './services';

const settings = { baseUrl: 'https://hub/user/a%40b/' } as Lab.ISettings;
const { makeRequest } = ServerConnection;

/** Returns an `Api` whose server responds with this. */
function answered(body: string, status = 200): Api {
  makeRequest.mockReset();
  makeRequest.mockResolvedValue(new Response(body, { status }));
  return new Api(settings);
}

async function refusal(asked: Promise<unknown>): Promise<ServerError> {
  const error: unknown = await asked.catch((found: unknown) => found);
  expect(error).toBeInstanceOf(ServerError);
  return error as ServerError;
}

test('sends requests below the base URL, with token and cookie', async () => {
  const api = answered('{"runtimes": [{"name": "plain"}]}');
  expect(await api.runtimes('a&b=c', null)).toEqual([{ name: 'plain' }]);
  expect(makeRequest).toHaveBeenCalledWith(
    'https://hub/user/a%40b/jupyter-trainjob/runtimes?context=a%26b%3Dc',
    { method: 'GET' },
    settings
  );
});

test('omits unset parameters', async () => {
  await answered('{"nodes": [], "why": ""}').capacity(null);
  expect(makeRequest.mock.calls[0]?.[0]).toBe('https://hub/user/a%40b/jupyter-trainjob/capacity');
});

test('sends a form as JSON', async () => {
  await answered('{"line": "", "problems": [], "fit": ""}').form({ nodes: '2' }, 'gpu', null);
  const [url, init] = makeRequest.mock.calls[0] ?? [];
  expect(url).toMatch(/\/form$/);
  expect(init?.method).toBe('POST');
  expect(JSON.parse(String(init?.body))).toEqual({
    options: { nodes: '2' },
    context: 'gpu',
    namespace: null
  });
});

test('names of jobs and namespaces are escaped in the path', async () => {
  const api = answered('{"metrics": {"step": [1], "loss": [null]}}');
  expect(await api.metrics('team', 'a/../b', 'gpu')).toEqual({ step: [1], loss: [null] });
  expect(makeRequest.mock.calls[0]?.[0]).toMatch(/\/metrics\/team\/a%2F\.\.%2Fb\?context=gpu$/);
});

test("an error has the server's message and status", async () => {
  const error = await refusal(answered('{"message": "No such context.", "reason": "x"}', 400).clusters());
  expect([error.message, error.status]).toEqual(['No such context.', 400]);
});

test.each([
  ['a page of somebody between', '<html>', 502],
  ['a response without a message', '{}', 500],
  ['a page where an answer should be', '<html>', 200]
])('%s is told as a server that is another one', async (_, body, status) => {
  const error = await refusal(answered(body, status).clusters());
  expect(error.message).toContain('reload the page');
});

test('an unreachable server is reported as such', async () => {
  const api = answered('');
  makeRequest.mockRejectedValue(new TypeError('Failed to fetch'));
  expect((await refusal(api.clusters())).message).toContain('does not answer');
});

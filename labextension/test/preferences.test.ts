/** Preferences read the settings editor's values, and save changes to it. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { expect, test, vi } from 'vitest';

import { Preferences } from '../src/lab/server/preferences';

const DEFAULTS = { sort: 'newest', refresh: 15 };

function registry(composite: Record<string, unknown>): {
  registry: ISettingRegistry;
  change: (composite: Record<string, unknown>) => void;
  set: ReturnType<typeof vi.fn>;
} {
  const heard: (() => void)[] = [];
  const set = vi.fn(() => Promise.resolve());
  const settings = {
    composite,
    changed: { connect: (listener: () => void) => void heard.push(listener) },
    set
  };
  return {
    registry: { load: () => Promise.resolve(settings) } as unknown as ISettingRegistry,
    change: next => {
      settings.composite = next;
      heard.forEach(listener => listener());
    },
    set
  };
}

test('settings apply initially and after changes', async () => {
  const { registry: settings, change } = registry({ sort: 'name', refresh: 15 });
  const preferences = new Preferences(settings, 'plugin', DEFAULTS);
  expect(preferences.view()).toEqual(DEFAULTS);
  await vi.waitFor(() => expect(preferences.view().sort).toBe('name'));
  change({ sort: 'oldest', refresh: 60 });
  expect(preferences.view()).toEqual({ sort: 'oldest', refresh: 60 });
});

test('a choice is saved', async () => {
  const { registry: settings, set } = registry(DEFAULTS);
  const preferences = new Preferences(settings, 'plugin', DEFAULTS);
  await Promise.resolve();
  preferences.set('sort', 'oldest');
  expect(preferences.view().sort).toBe('oldest');
  expect(set).toHaveBeenCalledWith('sort', 'oldest');
});

test('without a settings registry or a schema, the defaults apply', async () => {
  const broken = { load: () => Promise.reject(new Error('No schema')) } as unknown as ISettingRegistry;
  for (const registry of [null, broken]) {
    const preferences = new Preferences(registry, 'plugin', DEFAULTS);
    await Promise.resolve();
    preferences.set('sort', 'name');
    expect(preferences.view()).toEqual({ sort: 'name', refresh: 15 });
  }
});

/** What a user, or an administrator for all, has set for a plugin in the settings editor; else what is usual. */
import type { Settings, SettingRegistry } from '@jupyterlab/settingregistry';

import { Held } from '../core/held';

export class Preferences<V extends object> extends Held<V> {
  private settings: Settings | null = null;

  /** `id`: of the plugin, which has a schema of its name. */
  constructor(registry: SettingRegistry | null, id: string, usual: V) {
    super(usual);
    registry?.load(id).then(
      settings => {
        this.settings = settings;
        const read = (): void => this.change(settings.composite as Partial<V>);
        settings.changed.connect(read);
        read();
      },
      () => undefined // Without a schema, as where it was removed: what is usual holds.
    );
  }

  /** Changes a preference, and keeps it. */
  set<K extends keyof V & string>(name: K, value: V[K]): void {
    this.change({ [name]: value } as unknown as Partial<V>);
    void this.settings?.set(name, value);
  }
}

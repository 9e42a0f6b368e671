/** The form as a tab of the main area, for the notebook that was used last. */
import type { ReactElement } from 'react';

import { trans } from '../../core/i18n';
import { useView } from '../../ui/controls/useView';
import { MainAreaTab } from '../views/mainAreaTab';
import './form.css';
import type { FormState } from './formState';
import { NewJob } from './NewJob';

export const ID = 'jupyter-trainjob-new-job';

export class NewJobTab extends MainAreaTab {
  constructor(readonly form: FormState) {
    super(ID, trans.__('New training job'));
  }

  override dispose(): void {
    this.form.dispose();
    super.dispose();
  }

  render(): ReactElement {
    return <Shown form={this.form} />;
  }
}

function Shown({ form }: { form: FormState }): ReactElement {
  const view = useView(form);
  const destination = useView(form.destination);
  return (
    <div className="tj-host">
      <NewJob
        {...view}
        draft={form.draft}
        destination={destination}
        onGo={form.destination.choose}
        onTarget={form.setTarget}
        onCall={form.setCall}
        onWrite={form.write}
        onRun={form.run}
        onConfirm={form.confirm}
        onRefuse={form.cancel}
        onOpenJob={form.openJob}
        onGoToCell={form.goToCell}
      />
    </div>
  );
}

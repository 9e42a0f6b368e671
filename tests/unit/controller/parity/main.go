// Reads TrainJobs with their runtimes, one JSON object a line, and adds the objects that Kubeflow Trainer makes of
// each, by kind; with a feature gate, by kind and name. Generated SSH keys and Flux's scripts are left empty.
//
// Regenerate: go run -mod=mod . < cases.jsonl > new.jsonl
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"

	config "github.com/kubeflow/trainer/v2/pkg/apis/config/v1alpha1"
	trainer "github.com/kubeflow/trainer/v2/pkg/apis/trainer/v1alpha1"
	"github.com/kubeflow/trainer/v2/pkg/features"
	"github.com/kubeflow/trainer/v2/pkg/runtime/core"
	fake "github.com/kubeflow/trainer/v2/pkg/util/testing"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type parityCase struct {
	FeatureGates []string                  `json:"featureGates,omitempty"`
	Runtime      json.RawMessage           `json:"runtime"`
	Job          json.RawMessage           `json:"job"`
	Objects      map[string]map[string]any `json:"objects"`
}

var generated = []string{"ssh-privatekey", "ssh-publickey", "entrypoint.sh", "init.sh"}

func main() {
	var settings config.Configuration
	config.SetDefaults_Configuration(&settings)
	certificate := corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kubeflow-system", Name: settings.CertManagement.WebhookSecretName},
		Data:       map[string][]byte{"ca.crt": []byte("PEM")},
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var parity parityCase
		var runtime trainer.TrainingRuntime
		var job trainer.TrainJob
		check(json.Unmarshal(lines.Bytes(), &parity))
		check(json.Unmarshal(parity.Runtime, &runtime))
		check(json.Unmarshal(parity.Job, &job))
		check(features.SetEnable(features.TrainJobStatus, slices.Contains(parity.FeatureGates, "TrainJobStatus")))
		builder := fake.NewClientBuilder().WithObjects(&runtime, &certificate)
		factory, err := core.NewTrainingRuntime(context.Background(), builder.Build(), fake.AsIndex(builder), &settings)
		check(err)
		objects, err := factory.NewObjects(context.Background(), &job)
		check(err)
		parity.Objects = map[string]map[string]any{}
		for _, object := range objects {
			text, err := json.Marshal(object)
			check(err)
			var fields map[string]any
			check(json.Unmarshal(text, &fields))
			if data, ok := fields["data"].(map[string]any); ok {
				for _, key := range generated {
					if _, ok := data[key]; ok {
						data[key] = ""
					}
				}
			}
			key := fields["kind"].(string)
			if parity.FeatureGates != nil {
				key += " " + fields["metadata"].(map[string]any)["name"].(string)
			}
			parity.Objects[key] = fields
		}
		text, err := json.Marshal(parity)
		check(err)
		fmt.Println(string(text))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

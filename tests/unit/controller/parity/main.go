// Reads TrainJobs with their runtimes, one JSON object a line, and adds what Kubeflow Trainer makes of each:
// the JobSet and, where the runtime asks for one, the PodGroup.
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

	config "github.com/kubeflow/trainer/v2/pkg/apis/config/v1alpha1"
	trainer "github.com/kubeflow/trainer/v2/pkg/apis/trainer/v1alpha1"
	"github.com/kubeflow/trainer/v2/pkg/runtime/core"
	fake "github.com/kubeflow/trainer/v2/pkg/util/testing"
)

type parity struct {
	Runtime json.RawMessage `json:"runtime"`
	Job     json.RawMessage `json:"job"`
	JobSet  any             `json:"jobset"`
	Group   any             `json:"podgroup,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var found parity
		var runtime trainer.TrainingRuntime
		var job trainer.TrainJob
		check(json.Unmarshal(lines.Bytes(), &found))
		check(json.Unmarshal(found.Runtime, &runtime))
		check(json.Unmarshal(found.Job, &job))
		builder := fake.NewClientBuilder().WithObjects(&runtime)
		factory, err := core.NewTrainingRuntime(
			context.Background(), builder.Build(), fake.AsIndex(builder), &config.Configuration{})
		check(err)
		objects, err := factory.NewObjects(context.Background(), &job)
		check(err)
		found.JobSet, found.Group = nil, nil
		for _, object := range objects {
			text, err := json.Marshal(object)
			check(err)
			var made map[string]any
			check(json.Unmarshal(text, &made))
			if made["kind"] == "PodGroup" {
				found.Group = made
			} else {
				found.JobSet = made
			}
		}
		text, err := json.Marshal(found)
		check(err)
		fmt.Println(string(text))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

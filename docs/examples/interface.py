"""Run a trial of the demonstration, look at it, and compare two runs of it."""

from bench import compare, load_results, load_suite, plan, run

suite = load_suite("demo")
chosen = "lenet5-transfer-4e"  # a part of the id of one of eight trials

for planned in plan(suite, only=chosen):
    print(f"{planned.trial.id}: {planned.status}, {planned.why}")

results = run(suite, only=chosen, say=print)
print(results.frame()[["trial", "balanced_accuracy", "fit_s"]])

for record in load_results("results/demo").records():
    if record.test and record.fit_time:
        accuracy, seconds = record.test.accuracy, record.fit_time.wall_s
        print(f"{record.trial.id}: {accuracy:.1%} after {seconds:.1f} s of training")

run(suite, results="again", only=chosen)
verdict = compare(results, "again/demo")
for trial in verdict.trials:
    print(f"{trial.label}: speed {trial.speed}, learning {trial.learning}")

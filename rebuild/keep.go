package rebuild

import (
	"context"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/schema"
)

// leave notes in the plan what the new database cannot be given, as far as that is known before it is there.
// What the server refuses is told by the examination, which knows whether it is needed.
func (r *Run) leave(ctx context.Context, p *Plan, list []schema.Keepsake) error {
	unkept, err := r.forecast(ctx, list)
	for _, u := range unkept {
		if !u.Refused {
			p.Unkept = append(p.Unkept, u)
		}
	}
	return err
}

func (r *Run) forecast(ctx context.Context, list []schema.Keepsake) ([]engine.Unkept, error) {
	f, ok := r.Server.(engine.Forecaster)
	if !ok || len(list) == 0 {
		return nil, nil
	}
	return f.Forecast(ctx, list)
}

// sort tells what will be kept, though no migration makes it, from what would be lost.
func (r *Run) sort(ctx context.Context, x *Examination, c *doctor.Case, d *doctor.Diagnosis) error {
	unkept, err := r.forecast(ctx, c.Keepsakes)
	if err != nil {
		return err
	}
	refused := map[string]string{}
	for _, u := range unkept {
		if u.Refused {
			refused[u.Kind+" "+u.Name] = u.Why
		}
	}
	covered := schema.Covers(c.Keepsakes)
	add := func(diff doctor.Difference, counts bool) {
		why := refused[diff.Kind+" "+diff.Name]
		switch {
		case diff.New == "":
		case covered(diff.Change) && why == "":
			x.Kept = append(x.Kept, diff)
		case counts || why != "":
			if why != "" {
				diff.Text += ": " + why
			}
			x.Lost = append(x.Lost, diff)
		}
	}
	for _, diff := range d.Drift {
		add(diff, true)
	}
	for _, diff := range d.Access {
		add(diff, false) // where nothing keeps it, the schemas are compared once more when the new one is there
	}
	x.First = d.First
	return nil
}

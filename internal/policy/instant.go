package policy

import (
	"regexp"
	"time"
)

var instantPattern = regexp.MustCompile(
	`^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]{1,9})?)? ?(?:([Zz])|([+-][0-9]{2})(?::?([0-9]{2}))?)$`)

// instant is a timestamp with an offset, in UTC and to the microsecond; or infinity. Without an offset it would be another instant
// in another session.
func instant(text string) (string, bool) {
	if text == "infinity" {
		return text, true
	}
	part := instantPattern.FindStringSubmatch(text)
	if part == nil {
		return "", false
	}
	orZero := func(text, zero string) string {
		if text == "" {
			return zero
		}
		return text
	}
	offset := "+00:00"
	if part[4] == "" {
		offset = part[5] + ":" + orZero(part[6], "00")
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999999-07:00", part[1]+"T"+part[2]+orZero(part[3], ":00")+offset)
	if err != nil {
		return "", false
	}
	return t.UTC().Round(time.Microsecond).Format("2006-01-02T15:04:05.999999Z"), true
}

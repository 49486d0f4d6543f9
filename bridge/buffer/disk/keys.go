package disk

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// How keys are kept. Keys are random, so a tree of ten million of them would touch a page of its own for each key of
// a batch. Instead the keys of a commit go into the index as one value, one behind the other (bucketRecent), and into
// a map. When the map is full it becomes a generation: a bucket written once, in order, some sixteen keys a value, with a
// filter of its own (bucketFilters) that is held in memory, 10 bits a key, beside those of 63 others. A key is looked up
// in the map, then in the generations whose filter says perhaps, the newest first. The cost of a commit does not depend
// on how many keys there are, and keys that expire go as a whole generation.
const (
	// generationKeys is how many keys the map holds before it becomes a generation.
	generationKeys = 1 << 16
)

// keyIndex is what is known of all keys. The committer alone uses it.
type keyIndex struct {
	recent      recentKeys
	blobs       uint64       // number of the last value in bucketRecent
	generations []generation // oldest first, their numbers ascend
	filters     filters
}

// generation is one bucket of keys.
type generation struct {
	id     uint64
	newest int64  // stamp of when it was written: no key in it was written later
	filter filter // of a new one, until it is taken in
}

// load reads the map and the filters.
func (k *keyIndex) load(tx *bolt.Tx) error {
	k.recent, k.blobs, k.generations, k.filters = newRecentKeys(), 0, nil, filters{}
	cursor := tx.Bucket(bucketRecent).Cursor()
	for seq, blob := cursor.First(); seq != nil; seq, blob = cursor.Next() {
		k.blobs = binary.BigEndian.Uint64(seq)
		blob, ok := unseal(seq, blob)
		if !ok {
			return damaged("the list of recent keys")
		}
		for len(blob) > 0 {
			var id keyID
			var state []byte
			id, state, blob = nextKey(blob)
			s, ok := keys.Parse(state)
			if !ok {
				return damaged("the list of recent keys")
			}
			k.recent.set(id, s)
		}
	}
	return tx.Bucket(bucketFilters).ForEach(func(id, v []byte) error {
		if len(id) != 8 || len(v) != 8+filterSize {
			return damaged("the filters of the keys")
		}
		g := generation{id: binary.BigEndian.Uint64(id), newest: int64(binary.LittleEndian.Uint64(v))}
		k.generations = append(k.generations, g)
		k.filters.add(g.id, v[8:])
		return nil
	})
}

// lookup returns what is remembered of a key.
func (k *keyIndex) lookup(tx *bolt.Tx, id keyID) (keys.State, bool) {
	if s, ok := k.recent.get(id); ok {
		return s, true
	}
	if len(k.generations) == 0 {
		return keys.State{}, false
	}
	oldest, newest := k.generations[0].id/64, k.generations[len(k.generations)-1].id/64
	for group := newest; group+1 > oldest; group-- {
		for found := k.filters.mayHave(group, id); found != 0; {
			bit := uint64(bits.Len64(found)) - 1
			found &^= 1 << bit
			if s, ok := k.read(tx, group*64+bit, id); ok {
				return s, true
			}
		}
	}
	return keys.State{}, false
}

// read looks for a key in a generation. A value that cannot be read counts as not seen: a repeat, no loss.
func (k *keyIndex) read(tx *bolt.Tx, generation uint64, id keyID) (keys.State, bool) {
	bucket := tx.Bucket(bucketKeys).Bucket(bigEndian(generation))
	if bucket == nil {
		return keys.State{}, false
	}
	for shelf := bucket.Get(shelfOf(shelfNumber(id))); len(shelf) > 0; {
		var at keyID
		var state []byte
		if at, state, shelf = nextKey(shelf); at == id {
			return keys.Parse(state)
		}
	}
	return keys.Parse(bucket.Get(id[:])) // as generations were written before there were shelves
}

// shelfCount is how many values the keys of a generation are spread over.
const shelfCount = 1 << 12

// shelfNumber is the shelf of a key: its first twelve bits.
func shelfNumber(id keyID) int { return int(id[0])<<4 | int(id[1])>>4 }

// shelfOf is the key of a shelf's value in a generation.
func shelfOf(shelf int) []byte { return []byte{byte(shelf >> 4), byte(shelf << 4)} }

// appendKey appends a key with its state: id, count of 16 bytes, as many of these.
func appendKey(b []byte, id keyID, s keys.State) []byte {
	b = append(b, id[:]...)
	b = append(b, byte(2+len(s.More)))
	return s.Append(b)
}

// keySize is how many bytes appendKey appends.
func keySize(s keys.State) int { return 17 + 16*(2+len(s.More)) }

// nextKey is the inverse of appendKey. What is too short gives no state, and no rest.
func nextKey(b []byte) (id keyID, state, rest []byte) {
	if len(b) < 17 || len(b) < 17+int(b[16])*16 {
		return id, nil, nil
	}
	end := 17 + int(b[16])*16
	return keyID(b[:16]), b[17:end], b[end:]
}

// put writes the states of one commit.
func (k *keyIndex) put(tx *bolt.Tx, states map[keyID]keys.State) error {
	if len(states) == 0 {
		return nil
	}
	blob := make([]byte, 0, len(states)*49+4)
	for id, s := range states {
		blob = appendKey(blob, id, s)
	}
	bucket := tx.Bucket(bucketRecent)
	bucket.FillPercent = 0.9
	seq := bigEndian(k.blobs + 1)
	return bucket.Put(seq, seal(seq, blob))
}

// applied takes the states of a commit that succeeded into the map.
func (k *keyIndex) applied(states map[keyID]keys.State) {
	if len(states) == 0 {
		return
	}
	k.blobs++
	for id, s := range states {
		k.recent.set(id, s)
	}
}

// full tells whether the map should become a generation.
func (k *keyIndex) full() bool { return k.recent.len() >= generationKeys }

// expired tells whether the oldest generation is past its time.
func (k *keyIndex) expired(now int64) bool {
	return len(k.generations) > 0 && k.generations[0].newest < now-int64(keys.Life)
}

// fold makes the map a generation, in a transaction of its own.
func (k *keyIndex) fold(tx *bolt.Tx, now int64) (generation, error) {
	g := generation{id: 1, newest: now, filter: k.recent.filter}
	if n := len(k.generations); n > 0 {
		g.id = k.generations[n-1].id + 1
	}
	bucket, err := tx.Bucket(bucketKeys).CreateBucket(bigEndian(g.id))
	if err != nil {
		return g, err
	}
	bucket.FillPercent = 1
	for shelf, value := range k.shelves() {
		// bbolt keeps the value until the commit.
		if err := bucket.Put(shelfOf(shelf), value); err != nil {
			return g, err
		}
	}
	row := binary.LittleEndian.AppendUint64(nil, uint64(now))
	if err := tx.Bucket(bucketFilters).Put(bigEndian(g.id), append(row, g.filter...)); err != nil {
		return g, err
	}
	if err := tx.DeleteBucket(bucketRecent); err != nil {
		return g, err
	}
	_, err = tx.CreateBucket(bucketRecent)
	return g, err
}

// shelves gives the values of a generation, ascending by shelf. They lie in one array: each shelf's size is known before
// the keys are put there.
func (k *keyIndex) shelves() iter.Seq2[int, []byte] {
	var ends [shelfCount + 1]int // of the shelf before
	for id, s := range k.recent.all {
		ends[shelfNumber(id)+1] += keySize(s)
	}
	for i := range shelfCount {
		ends[i+1] += ends[i]
	}
	values := make([]byte, ends[shelfCount])
	for id, s := range k.recent.all {
		end := &ends[shelfNumber(id)]
		appendKey(values[:*end], id, s)
		*end += keySize(s)
	}
	return func(yield func(int, []byte) bool) {
		start := 0
		for shelf, end := range ends[:shelfCount] {
			if end > start && !yield(shelf, values[start:end:end]) {
				return
			}
			start = end
		}
	}
}

// folded follows a fold that was committed.
func (k *keyIndex) folded(g generation) {
	k.filters.add(g.id, g.filter)
	g.filter = nil
	k.generations = append(k.generations, g)
	k.recent.clear()
	k.blobs = 0
}

// expire deletes the oldest generation, in a transaction of its own.
func (k *keyIndex) expire(tx *bolt.Tx) error {
	id := bigEndian(k.generations[0].id)
	if err := tx.Bucket(bucketFilters).Delete(id); err != nil {
		return err
	}
	return tx.Bucket(bucketKeys).DeleteBucket(id)
}

// forget follows an expire that was committed.
func (k *keyIndex) forget() {
	k.filters.remove(k.generations[0].id)
	k.generations = slices.Delete(k.generations, 0, 1)
}

func bigEndian(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

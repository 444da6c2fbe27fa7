BEGIN TRANSACTION;
CREATE TABLE alarm_changes (
	id INTEGER NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	stamp BIGINT NOT NULL, 
	rule VARCHAR(80) NOT NULL, 
	subject VARCHAR(1000) NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	since BIGINT NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	evidence JSON NOT NULL, 
	worked_seconds DOUBLE NOT NULL, 
	"by" VARCHAR(120) NOT NULL, 
	known BIGINT NOT NULL, 
	withdrawn BIGINT, 
	CONSTRAINT pk_alarm_changes PRIMARY KEY (id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0013');
CREATE TABLE api_keys (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	grant_id VARCHAR(16) NOT NULL, 
	writes BOOLEAN NOT NULL, 
	created BIGINT NOT NULL, 
	expires BIGINT, 
	used BIGINT, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT fk_api_keys_grant_id_grants FOREIGN KEY(grant_id) REFERENCES grants (id) ON DELETE CASCADE
);
INSERT INTO "api_keys" VALUES('e5ab2ac1470a','old','d6b7b154dbc09c3c53fd2961bbcaef60d33f15c8aa6d55fcfc33c05b34aa57e4','148985f1e286',0,1788220800000000000,NULL,NULL);
CREATE TABLE audit (
	number BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	subject VARCHAR(160) NOT NULL, 
	body TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (number)
);
INSERT INTO "audit" VALUES(1,1788220800000000000,'sites/nord','{"after":{"id":"nord","name":"Nord"},"at":"2026-09-01T00:00:00Z","subject":"sites/nord","what":"add","who":"console"}','a978253f650075c9f167d1b77ab3a6cff5743609410d08b513a8e19872f2fa1b');
INSERT INTO "audit" VALUES(2,1788220800000000000,'edges/site-a','{"after":{"id":"site-a","site_id":"nord"},"at":"2026-09-01T00:00:00Z","subject":"edges/site-a","what":"add","who":"console"}','28892742c5182ec1df8de00411b2e33a9df28dd5bfc9fc1f82c4bd174525cc04');
INSERT INTO "audit" VALUES(3,1788220800000000000,'members/alfa','{"after":{"active_from":"2020-01-01","id":"alfa","legal_name":"Officina Rossi S.r.l.","partita_iva":"00000010363","sdi_code":"ABC1234"},"at":"2026-09-01T00:00:00Z","subject":"members/alfa","what":"add","who":"console"}','bab97bb194f90bce1a0d7f747ae614fa0f196224a2e232c526f41e01f8b840df');
INSERT INTO "audit" VALUES(4,1788220800000000000,'job-rules/636d32efa2465754','{"after":{"added":1788220800000000000,"id":"636d32efa2465754","kind":"prefix","member_id":"alfa","text":"A-"},"at":"2026-09-01T00:00:00Z","subject":"job-rules/636d32efa2465754","what":"add","who":"console"}','254fc6e3b48824382b279cc5892f4815f44e7132f29701409862590ce4d5dc74');
INSERT INTO "audit" VALUES(5,1788220800000000000,'members/beta','{"after":{"active_from":"2020-01-01","id":"beta","legal_name":"Officina Rossi S.r.l.","partita_iva":"00000020362","sdi_code":"ABC1234"},"at":"2026-09-01T00:00:00Z","subject":"members/beta","what":"add","who":"console"}','7b45dfd27cec18871f98eea82b8d26f711412005903ec9404d920cd7809c7ee7');
INSERT INTO "audit" VALUES(6,1788220800000000000,'job-rules/2ff2c06ed09c61fa','{"after":{"added":1788220800000000000,"id":"2ff2c06ed09c61fa","kind":"prefix","member_id":"beta","text":"B-"},"at":"2026-09-01T00:00:00Z","subject":"job-rules/2ff2c06ed09c61fa","what":"add","who":"console"}','b25ee955dbbf3b0ccdfd216ccf845ef710fb144e43ef443ec5a32ca04e93cb8b');
INSERT INTO "audit" VALUES(7,1788220800000000000,'machines/mc-1','{"after":{"agent_id":"site-a","id":"mc-1","kind":"Tornio","name":"M 1","signals":["item_state","program","alarm","job"],"site_id":"nord"},"at":"2026-09-01T00:00:00Z","subject":"machines/mc-1","what":"add","who":"console"}','6ded4bb324e33baca02fbd9e558ff94f2b15432314c7da0199d374f08d6a3bc1');
INSERT INTO "audit" VALUES(8,1788220800000000000,'users/e7ba265596e2','{"after":{"roles":[{"member":null,"role":"administrator","sites":null}]},"at":"2026-09-01T00:00:00Z","subject":"users/e7ba265596e2","what":"add","who":"console"}','c1a57febf8393c70a9f2f20539fc54576eed32f7486372d57fe4824cc63bff32');
INSERT INTO "audit" VALUES(9,1788220800000000000,'api-keys/e5ab2ac1470a','{"after":{"expires_days":null,"member":null,"name":"old","role":"administrator","sites":null,"writes":false},"at":"2026-09-01T00:00:00Z","subject":"api-keys/e5ab2ac1470a","what":"add","who":"console"}','5243630e2f7120feb9856cfed9522408f07903d8baacf0bea350c59b429bf5b1');
INSERT INTO "audit" VALUES(10,1793869200000000000,'consortium','{"after":{"legal_form":"consorzio","legal_name":"Consorzio","partita_iva":"00000090365"},"at":"2026-11-05T09:00:00Z","subject":"consortium","what":"add","who":"console"}','e956fe69cd535da0b17543f743d2549bfe1876481ae490e577a5fce11ad2482c');
INSERT INTO "audit" VALUES(11,1793869200000000000,'tariffs/18132fce106aec82','{"after":{"text":"\nname = \"mills\"\n[[versions]]\nfrom = 2026-01-01\ncalendar = \"arera\"\ntime = { setup = 18.00, processing = 36.50, idle = 9.90 }\nenergy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }\nvat = { default = 22, energy = 10 }\n"},"at":"2026-11-05T09:00:00Z","subject":"tariffs/18132fce106aec82","what":"add","who":"console"}','e0d8327a8232c9b972e5be17112397bf3fcab4212c09268487ba97da4906b002');
INSERT INTO "audit" VALUES(12,1793869200000000000,'tariffs/244a2af45e4aab72','{"after":{"text":"item = \"Quota\"\nfirst = \"2026-10\"\namount = 50.00\n"},"at":"2026-11-05T09:00:00Z","subject":"tariffs/244a2af45e4aab72","what":"add","who":"console"}','16eec618a6acbbe2edf461920a3513b7cc1345b0e3c55f7553278b178ea88c13');
INSERT INTO "audit" VALUES(13,1793869200000000000,'tariffs/278bdadb12742d4b','{"after":{"text":"item = \"Rent\"\nmonth = \"2026-10\"\namount = 100.01\n"},"at":"2026-11-05T09:00:00Z","subject":"tariffs/278bdadb12742d4b","what":"add","who":"console"}','7a111a5cfa3d69b17c3e75a4cdf1af398c173fe742046c6bd696012e1d9d7cc5');
INSERT INTO "audit" VALUES(14,1793869200000000000,'machines/mc-1','{"after":{"at":1791868200000000000,"payer":"beta"},"at":"2026-11-05T09:00:00Z","subject":"machines/mc-1","what":"check in","who":"console"}','6d5cb884481c3d6a047214d6b51718f351b010cda57d92681930e42cde2b763e');
INSERT INTO "audit" VALUES(15,1793869200000000000,'closings/2026-10','{"after":{"accepted":{"*":"nobody was there"},"statements":2},"at":"2026-11-05T09:00:00Z","subject":"closings/2026-10","what":"close","who":"console"}','00917d72e8c7b0315f4fa51ef2d4ddfc264c25f31cb1ba73919fc29978fd6213');
CREATE TABLE badge_owners (
	badge VARCHAR(120) NOT NULL, 
	since BIGINT NOT NULL, 
	payer VARCHAR(63) NOT NULL, 
	CONSTRAINT pk_badge_owners PRIMARY KEY (badge, since)
);
CREATE TABLE booking_changes (
	booking_id VARCHAR(16) NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT NOT NULL, 
	binds BIGINT NOT NULL, 
	who VARCHAR(80) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_booking_changes PRIMARY KEY (booking_id, number), 
	CONSTRAINT ck_booking_changes_kind CHECK (kind IN ('made', 'changed', 'cancelled', 'freed')), 
	CONSTRAINT fk_booking_changes_booking_id_bookings FOREIGN KEY(booking_id) REFERENCES bookings (id), 
	CONSTRAINT fk_booking_changes_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE "booking_feeds" (
	id VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	member_id VARCHAR(63), 
	machine_id VARCHAR(63), 
	created BIGINT NOT NULL, 
	who VARCHAR(80) NOT NULL, 
	revoked BIGINT, 
	CONSTRAINT pk_booking_feeds PRIMARY KEY (id), 
	CONSTRAINT fk_booking_feeds_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id), 
	CONSTRAINT fk_booking_feeds_member_id_members FOREIGN KEY(member_id) REFERENCES members (id), 
	CONSTRAINT uq_booking_feeds_sha256 UNIQUE (sha256)
);
CREATE TABLE booking_notices (
	id VARCHAR(16) NOT NULL, 
	member_id VARCHAR(63) NOT NULL, 
	booking_id VARCHAR(16) NOT NULL, 
	lock_out_id VARCHAR(16) NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	at BIGINT NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	proposals JSON NOT NULL, 
	read BIGINT, 
	CONSTRAINT pk_booking_notices PRIMARY KEY (id), 
	CONSTRAINT ck_booking_notices_kind CHECK (kind IN ('freed', 'released')), 
	CONSTRAINT fk_booking_notices_member_id_members FOREIGN KEY(member_id) REFERENCES members (id), 
	CONSTRAINT fk_booking_notices_booking_id_bookings FOREIGN KEY(booking_id) REFERENCES bookings (id), 
	CONSTRAINT fk_booking_notices_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id), 
	CONSTRAINT fk_booking_notices_lock_out_id_lock_outs FOREIGN KEY(lock_out_id) REFERENCES lock_outs (id)
);
CREATE TABLE bookings (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	member_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	note VARCHAR(120) NOT NULL, 
	series_id VARCHAR(16), 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_bookings PRIMARY KEY (id), 
	CONSTRAINT ck_bookings_period CHECK (ends >= starts), 
	CONSTRAINT ck_bookings_kind CHECK (kind IN ('made', 'changed', 'cancelled', 'freed')), 
	CONSTRAINT fk_bookings_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id), 
	CONSTRAINT fk_bookings_member_id_members FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE broker_logins (
	name VARCHAR(63) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	since BIGINT NOT NULL, 
	CONSTRAINT pk_broker_logins PRIMARY KEY (name)
);
CREATE TABLE budgets (
	member_id VARCHAR(63) NOT NULL, 
	amount NUMERIC(12, 2) NOT NULL, 
	warn_percent INTEGER NOT NULL, 
	warned VARCHAR(7) NOT NULL, 
	CONSTRAINT pk_budgets PRIMARY KEY (member_id), 
	CONSTRAINT ck_budgets_warn_percent CHECK (warn_percent BETWEEN 1 AND 100), 
	CONSTRAINT fk_budgets_member_id_members FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE calendar_days (
	calendar_id VARCHAR(63) NOT NULL, 
	day DATE NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	CONSTRAINT pk_calendar_days PRIMARY KEY (calendar_id, day), 
	CONSTRAINT ck_calendar_days_kind CHECK (kind IN ('holiday', 'closed', 'worked')), 
	CONSTRAINT fk_calendar_days_calendar_id_calendars FOREIGN KEY(calendar_id) REFERENCES calendars (id) ON DELETE CASCADE
);
CREATE TABLE calendar_hours (
	calendar_id VARCHAR(63) NOT NULL, 
	weekday INTEGER NOT NULL, 
	starts_minute INTEGER NOT NULL, 
	ends_minute INTEGER NOT NULL, 
	CONSTRAINT pk_calendar_hours PRIMARY KEY (calendar_id, weekday, starts_minute), 
	CONSTRAINT ck_calendar_hours_minutes CHECK (0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440), 
	CONSTRAINT ck_calendar_hours_weekday CHECK (weekday BETWEEN 0 AND 6), 
	CONSTRAINT fk_calendar_hours_calendar_id_calendars FOREIGN KEY(calendar_id) REFERENCES calendars (id) ON DELETE CASCADE
);
CREATE TABLE calendar_machines (
	machine_id VARCHAR(63) NOT NULL, 
	calendar_id VARCHAR(63) NOT NULL, 
	CONSTRAINT pk_calendar_machines PRIMARY KEY (machine_id), 
	CONSTRAINT fk_calendar_machines_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id) ON DELETE CASCADE, 
	CONSTRAINT fk_calendar_machines_calendar_id_calendars FOREIGN KEY(calendar_id) REFERENCES calendars (id) ON DELETE CASCADE
);
CREATE TABLE calendars (
	id VARCHAR(63) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	zone VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_calendars PRIMARY KEY (id)
);
CREATE TABLE changes (
	name VARCHAR(16) NOT NULL, 
	number BIGINT NOT NULL, 
	CONSTRAINT pk_changes PRIMARY KEY (name)
);
INSERT INTO "changes" VALUES('machines',3);
INSERT INTO "changes" VALUES('access',3);
INSERT INTO "changes" VALUES('usage',3);
CREATE TABLE channels (
	id VARCHAR(16) NOT NULL, 
	person VARCHAR(16) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	address VARCHAR(1000) NOT NULL, 
	drops_repeats BOOLEAN NOT NULL, 
	CONSTRAINT pk_channels PRIMARY KEY (id), 
	CONSTRAINT fk_channels_person_people FOREIGN KEY(person) REFERENCES people (id) ON DELETE CASCADE
);
CREATE TABLE check_ins (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	payer VARCHAR(63), 
	is_out BOOLEAN NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	entered BIGINT NOT NULL, 
	CONSTRAINT pk_check_ins PRIMARY KEY (id), 
	CONSTRAINT fk_check_ins_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
INSERT INTO "check_ins" VALUES('f0f2749f69163220','mc-1',1791868200000000000,'beta',0,'console',1793869200000000000);
CREATE TABLE closings (
	month VARCHAR(7) NOT NULL, 
	issued DATE NOT NULL, 
	closed BIGINT NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	ground JSON NOT NULL, 
	accepted JSON NOT NULL, 
	CONSTRAINT pk_closings PRIMARY KEY (month)
);
INSERT INTO "closings" VALUES('2026-10','2026-11-05',1793869200000000000,'console','{"groups": {"alfa": "", "beta": ""}, "machines": ["mc-1"], "policy": {"zone": "Europe/Rome", "payer_precedence": ["correction", "consortium", "job", "badge", "booking"], "silence_seconds_max": 60, "badge_off_seconds_max": 900, "badge_seconds_max": 43200, "inferred_off_seconds_max": 60, "estimate_gaps": false, "estimate_seconds_max": 86400, "gap_evidence": true}, "entries": [["18132fce106aec82", "tariffs", "\nname = \"mills\"\n[[versions]]\nfrom = 2026-01-01\ncalendar = \"arera\"\ntime = { setup = 18.00, processing = 36.50, idle = 9.90 }\nenergy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }\nvat = { default = 22, energy = 10 }\n"], ["244a2af45e4aab72", "quotas", "item = \"Quota\"\nfirst = \"2026-10\"\namount = 50.00\n"], ["278bdadb12742d4b", "shared_costs", "item = \"Rent\"\nmonth = \"2026-10\"\namount = 100.01\n"]], "again": {}, "held": [], "versions": {"calendars": "arera@181/06", "tzdata": "2026.6", "officina": "0.1.0"}}','{"*": "nobody was there"}');
CREATE TABLE conditions (
	id INTEGER NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	stamp BIGINT NOT NULL, 
	rule VARCHAR(80) NOT NULL, 
	subject VARCHAR(1000) NOT NULL, 
	verdict VARCHAR(8) NOT NULL, 
	evidence JSON NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	CONSTRAINT pk_conditions PRIMARY KEY (id)
);
CREATE TABLE consortium (
	id INTEGER NOT NULL, 
	legal_form VARCHAR(24) NOT NULL, 
	regime VARCHAR(4) NOT NULL, 
	iban VARCHAR(34) NOT NULL, 
	payment_days INTEGER NOT NULL, 
	payment_method VARCHAR(4) NOT NULL, 
	legal_name VARCHAR(80) NOT NULL, 
	partita_iva VARCHAR(11) NOT NULL, 
	codice_fiscale VARCHAR(16) NOT NULL, 
	sdi_code VARCHAR(7) NOT NULL, 
	pec VARCHAR(254) NOT NULL, 
	street VARCHAR(60) NOT NULL, 
	postal_code VARCHAR(5) NOT NULL, 
	town VARCHAR(60) NOT NULL, 
	province VARCHAR(2) NOT NULL, 
	country VARCHAR(2) NOT NULL, 
	rea_office VARCHAR(2) NOT NULL, 
	rea_number VARCHAR(20) NOT NULL, invoices BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_consortium PRIMARY KEY (id), 
	CONSTRAINT ck_consortium_one_row CHECK (id = 1)
);
INSERT INTO "consortium" VALUES(1,'consorzio','RF01','',30,'MP05','Consorzio','00000090365','','','','','','','','IT','','',0);
CREATE TABLE contests (
	id VARCHAR(16) NOT NULL, 
	member_id VARCHAR(63) NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	reference VARCHAR(400) NOT NULL, 
	reason VARCHAR(500) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	at BIGINT NOT NULL, 
	decision VARCHAR(500) NOT NULL, 
	decided_by VARCHAR(40), 
	decided BIGINT, 
	CONSTRAINT pk_contests PRIMARY KEY (id), 
	CONSTRAINT ck_contests_decided CHECK ((decided_by IS NULL) = (decided IS NULL)), 
	CONSTRAINT fk_contests_member_id_members FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE corrections (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT NOT NULL, 
	payer VARCHAR(63), 
	state VARCHAR(16), 
	reason VARCHAR(500) NOT NULL, 
	member_id VARCHAR(63), 
	requested_by VARCHAR(40) NOT NULL, 
	requested BIGINT NOT NULL, 
	is_approved BOOLEAN, 
	decided_by VARCHAR(40), 
	decided BIGINT, 
	decision_reason VARCHAR(500) NOT NULL, 
	CONSTRAINT pk_corrections PRIMARY KEY (id), 
	CONSTRAINT ck_corrections_another CHECK (decided_by IS NULL OR decided_by <> requested_by), 
	CONSTRAINT ck_corrections_period CHECK (ends > starts), 
	CONSTRAINT fk_corrections_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id), 
	CONSTRAINT fk_corrections_member_id_members FOREIGN KEY(member_id) REFERENCES members (id)
);
CREATE TABLE deliveries (
	"key" VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	incident VARCHAR(16) NOT NULL, 
	channel VARCHAR(16) NOT NULL, 
	grave BOOLEAN NOT NULL, 
	due BIGINT NOT NULL, 
	status VARCHAR(12) NOT NULL, 
	begun BIGINT NOT NULL, 
	message TEXT NOT NULL, 
	CONSTRAINT pk_deliveries PRIMARY KEY ("key")
);
CREATE TABLE delivery_attempts (
	delivery VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	answer VARCHAR(12) NOT NULL, 
	words VARCHAR(600) NOT NULL, 
	CONSTRAINT pk_delivery_attempts PRIMARY KEY (delivery, number), 
	CONSTRAINT fk_delivery_attempts_delivery_deliveries FOREIGN KEY(delivery) REFERENCES deliveries ("key") ON DELETE CASCADE
);
CREATE TABLE duties (
	person VARCHAR(16) NOT NULL, 
	least VARCHAR(12) NOT NULL, 
	shifts JSON NOT NULL, 
	quiet JSON NOT NULL, 
	on_call JSON NOT NULL, 
	CONSTRAINT pk_duties PRIMARY KEY (person), 
	CONSTRAINT fk_duties_person_people FOREIGN KEY(person) REFERENCES people (id) ON DELETE CASCADE
);
CREATE TABLE edge_agents (
	id VARCHAR(63) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	CONSTRAINT pk_edge_agents PRIMARY KEY (id), 
	CONSTRAINT fk_edge_agents_site_id_sites FOREIGN KEY(site_id) REFERENCES sites (id)
);
INSERT INTO "edge_agents" VALUES('site-a','nord','',1);
CREATE TABLE enrolment_codes (
	agent_id VARCHAR(63) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	expires BIGINT NOT NULL, 
	used_by VARCHAR(64), 
	CONSTRAINT pk_enrolment_codes PRIMARY KEY (agent_id), 
	CONSTRAINT fk_enrolment_codes_agent_id_edge_agents FOREIGN KEY(agent_id) REFERENCES edge_agents (id) ON DELETE CASCADE
);
CREATE TABLE escalation (
	id INTEGER NOT NULL, 
	steps JSON NOT NULL, 
	step_minutes JSON NOT NULL, 
	ping VARCHAR(1000) NOT NULL, 
	ping_minutes INTEGER NOT NULL, 
	pinged BIGINT NOT NULL, 
	ping_answer VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_escalation PRIMARY KEY (id)
);
CREATE TABLE grant_sites (
	grant_id VARCHAR(16) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	CONSTRAINT pk_grant_sites PRIMARY KEY (grant_id, site_id), 
	CONSTRAINT fk_grant_sites_grant_id_grants FOREIGN KEY(grant_id) REFERENCES grants (id) ON DELETE CASCADE, 
	CONSTRAINT fk_grant_sites_site_id_sites FOREIGN KEY(site_id) REFERENCES sites (id)
);
CREATE TABLE grants (
	id VARCHAR(16) NOT NULL, 
	person_id VARCHAR(16), 
	role VARCHAR(16) NOT NULL, 
	member_id VARCHAR(63), 
	every_site BOOLEAN NOT NULL, 
	CONSTRAINT pk_grants PRIMARY KEY (id), 
	CONSTRAINT ck_grants_member CHECK ((role = 'member') = (member_id IS NOT NULL)), 
	CONSTRAINT ck_grants_role CHECK (role IN ('administrator', 'operator', 'maintenance', 'member', 'kiosk')), 
	CONSTRAINT fk_grants_member_id_members FOREIGN KEY(member_id) REFERENCES members (id), 
	CONSTRAINT fk_grants_person_id_people FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE
);
INSERT INTO "grants" VALUES('ddf93cf74523','e7ba265596e2','administrator',NULL,1);
INSERT INTO "grants" VALUES('148985f1e286',NULL,'administrator',NULL,1);
CREATE TABLE incident_deeds (
	id INTEGER NOT NULL, 
	incident VARCHAR(16) NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	at BIGINT NOT NULL, 
	entered BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	by_name VARCHAR(120) NOT NULL, 
	note VARCHAR(4000) NOT NULL, 
	until BIGINT NOT NULL, 
	assignee VARCHAR(120) NOT NULL, 
	alarms JSON NOT NULL, 
	CONSTRAINT pk_incident_deeds PRIMARY KEY (id), 
	CONSTRAINT fk_incident_deeds_incident_incidents FOREIGN KEY(incident) REFERENCES incidents (id)
);
CREATE TABLE incidents (
	id VARCHAR(16) NOT NULL, 
	"key" TEXT NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	rule VARCHAR(80) NOT NULL, 
	subject VARCHAR(1000) NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	since BIGINT NOT NULL, 
	raised BIGINT NOT NULL, 
	activity BIGINT NOT NULL, 
	activations INTEGER NOT NULL, 
	returned BIGINT NOT NULL, 
	closed BIGINT NOT NULL, 
	known BIGINT NOT NULL, 
	is_past BOOLEAN NOT NULL, 
	withdrawn BIGINT, 
	alarms JSON NOT NULL, 
	hides JSON NOT NULL, 
	payer VARCHAR(63) NOT NULL, 
	told JSON NOT NULL, 
	CONSTRAINT pk_incidents PRIMARY KEY (id)
);
CREATE TABLE "invitations" (
	id VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	person_id VARCHAR(16) NOT NULL, 
	purpose VARCHAR(10) NOT NULL, 
	created BIGINT NOT NULL, 
	expires BIGINT NOT NULL, 
	used BIGINT, 
	keeps_factor BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_invitations PRIMARY KEY (id), 
	CONSTRAINT fk_invitations_person_id_people FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE, 
	CONSTRAINT uq_invitations_sha256 UNIQUE (sha256), 
	CONSTRAINT ck_invitations_purpose CHECK (purpose IN ('invitation', 'reset'))
);
CREATE TABLE job_rules (
	id VARCHAR(16) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	text VARCHAR(120) NOT NULL, 
	member_id VARCHAR(63) NOT NULL, 
	added BIGINT NOT NULL, 
	CONSTRAINT pk_job_rules PRIMARY KEY (id), 
	CONSTRAINT fk_job_rules_member_id_members FOREIGN KEY(member_id) REFERENCES members (id), 
	CONSTRAINT uq_job_rules_kind UNIQUE (kind, text)
);
INSERT INTO "job_rules" VALUES('636d32efa2465754','prefix','A-','alfa',1788220800000000000);
INSERT INTO "job_rules" VALUES('2ff2c06ed09c61fa','prefix','B-','beta',1788220800000000000);
CREATE TABLE leases (
	name VARCHAR(32) NOT NULL, 
	holder VARCHAR(32) NOT NULL, 
	beat BIGINT NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE lock_outs (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	created BIGINT NOT NULL, 
	who VARCHAR(80) NOT NULL, 
	released BIGINT, 
	CONSTRAINT pk_lock_outs PRIMARY KEY (id), 
	CONSTRAINT ck_lock_outs_period CHECK (ends >= starts), 
	CONSTRAINT fk_lock_outs_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE machine_files (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	purpose VARCHAR(8) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	media_type VARCHAR(80) NOT NULL, 
	content BLOB NOT NULL, 
	added BIGINT NOT NULL, 
	CONSTRAINT pk_machine_files PRIMARY KEY (id), 
	CONSTRAINT ck_machine_files_purpose CHECK (purpose IN ('manual', 'photo')), 
	CONSTRAINT fk_machine_files_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE machine_moves (
	machine_id VARCHAR(63) NOT NULL, 
	agent_id VARCHAR(63) NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_machine_moves PRIMARY KEY (machine_id, agent_id), 
	CONSTRAINT fk_machine_moves_agent_id_edge_agents FOREIGN KEY(agent_id) REFERENCES edge_agents (id) ON DELETE CASCADE, 
	CONSTRAINT fk_machine_moves_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id) ON DELETE CASCADE
);
CREATE TABLE "machines" (
	id VARCHAR(63) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	kind VARCHAR(120) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	agent_id VARCHAR(63), 
	signals JSON NOT NULL, 
	writer_id INTEGER, 
	maker VARCHAR(120) NOT NULL, 
	model VARCHAR(120) NOT NULL, 
	serial_number VARCHAR(120) NOT NULL, 
	built_year INTEGER, 
	nominal_power_kw NUMERIC(9, 3), 
	tariff_group VARCHAR(120) NOT NULL, 
	contacts JSON NOT NULL, 
	active_from DATE, 
	active_to DATE, 
	CONSTRAINT pk_machines PRIMARY KEY (id), 
	CONSTRAINT fk_machines_agent_id_edge_agents FOREIGN KEY(agent_id) REFERENCES edge_agents (id), 
	CONSTRAINT ck_machines_active CHECK (active_to IS NULL OR active_from IS NULL OR active_to >= active_from), 
	CONSTRAINT uq_machines_agent_id UNIQUE (agent_id, writer_id), 
	CONSTRAINT ck_machines_writer_id CHECK (writer_id BETWEEN 0 AND 65535), 
	CONSTRAINT fk_machines_site_id_sites FOREIGN KEY(site_id) REFERENCES sites (id), 
	CONSTRAINT uq_machines_site_id UNIQUE (site_id, name)
);
INSERT INTO "machines" VALUES('mc-1','M 1','Tornio','nord','site-a','["item_state", "program", "alarm", "job"]',NULL,'','','',NULL,NULL,'','[]',NULL,NULL);
CREATE TABLE maintenance_calls (
	id INTEGER NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	call VARCHAR(16) NOT NULL, 
	at BIGINT NOT NULL, 
	is_over BOOLEAN NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	by_name VARCHAR(120) NOT NULL, 
	note VARCHAR(4000) NOT NULL, 
	CONSTRAINT pk_maintenance_calls PRIMARY KEY (id), 
	CONSTRAINT fk_maintenance_calls_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE maintenance_times (
	id VARCHAR(16) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	starts BIGINT NOT NULL, 
	ends BIGINT, 
	cause VARCHAR(16) NOT NULL, 
	note VARCHAR(500) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	entered BIGINT NOT NULL, 
	CONSTRAINT pk_maintenance_times PRIMARY KEY (id), 
	CONSTRAINT ck_maintenance_times_cause CHECK (cause IN ('work_order', 'alarm')), 
	CONSTRAINT ck_maintenance_times_period CHECK (ends IS NULL OR ends > starts), 
	CONSTRAINT fk_maintenance_times_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE members (
	id VARCHAR(63) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	group_name VARCHAR(120) NOT NULL, 
	active_from DATE NOT NULL, 
	active_to DATE, 
	legal_name VARCHAR(80) NOT NULL, 
	partita_iva VARCHAR(11) NOT NULL, 
	codice_fiscale VARCHAR(16) NOT NULL, 
	sdi_code VARCHAR(7) NOT NULL, 
	pec VARCHAR(254) NOT NULL, 
	street VARCHAR(60) NOT NULL, 
	postal_code VARCHAR(5) NOT NULL, 
	town VARCHAR(60) NOT NULL, 
	province VARCHAR(2) NOT NULL, 
	country VARCHAR(2) NOT NULL, 
	rea_office VARCHAR(2) NOT NULL, 
	rea_number VARCHAR(20) NOT NULL, 
	CONSTRAINT pk_members PRIMARY KEY (id), 
	CONSTRAINT ck_members_active CHECK (active_to IS NULL OR active_to >= active_from)
);
INSERT INTO "members" VALUES('alfa','','','2020-01-01',NULL,'Officina Rossi S.r.l.','00000010363','','ABC1234','','','','','','IT','','');
INSERT INTO "members" VALUES('beta','','','2020-01-01',NULL,'Officina Rossi S.r.l.','00000020362','','ABC1234','','','','','','IT','','');
CREATE TABLE month_runs (
	id VARCHAR(16) NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	basis VARCHAR(120) NOT NULL, 
	begun BIGINT NOT NULL, 
	beat BIGINT NOT NULL, 
	step VARCHAR(16) NOT NULL, 
	done INTEGER NOT NULL, 
	machines INTEGER NOT NULL, 
	ended BIGINT, 
	outcome VARCHAR(16), 
	result JSON, 
	CONSTRAINT pk_month_runs PRIMARY KEY (id)
);
CREATE TABLE people (
	id VARCHAR(16) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	language VARCHAR(2) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	totp_secret VARCHAR(64) NOT NULL, 
	totp_step BIGINT NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	created BIGINT NOT NULL, 
	CONSTRAINT pk_people PRIMARY KEY (id), 
	CONSTRAINT uq_people_email UNIQUE (email)
);
INSERT INTO "people" VALUES('e7ba265596e2','ada@example.it','Ada','it','$argon2id$nobody-knows-it','',0,1,1788220800000000000);
CREATE TABLE planned_windows (
	id INTEGER NOT NULL, 
	site VARCHAR(63) NOT NULL, 
	machine VARCHAR(63), 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	reason VARCHAR(400) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_planned_windows PRIMARY KEY (id), 
	CONSTRAINT fk_planned_windows_machine_machines FOREIGN KEY(machine) REFERENCES machines (id), 
	CONSTRAINT fk_planned_windows_site_sites FOREIGN KEY(site) REFERENCES sites (id)
);
CREATE TABLE price_entries (
	id VARCHAR(16) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	changed BIGINT NOT NULL, 
	CONSTRAINT pk_price_entries PRIMARY KEY (id)
);
INSERT INTO "price_entries" VALUES('18132fce106aec82','tariffs','
name = "mills"
[[versions]]
from = 2026-01-01
calendar = "arera"
time = { setup = 18.00, processing = 36.50, idle = 9.90 }
energy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }
vat = { default = 22, energy = 10 }
','console',1793869200000000000);
INSERT INTO "price_entries" VALUES('244a2af45e4aab72','quotas','item = "Quota"
first = "2026-10"
amount = 50.00
','console',1793869200000000000);
INSERT INTO "price_entries" VALUES('278bdadb12742d4b','shared_costs','item = "Rent"
month = "2026-10"
amount = 100.01
','console',1793869200000000000);
CREATE TABLE rated_segments (
	closing VARCHAR(7) NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_rated_segments PRIMARY KEY (closing, month, machine_id, digest), 
	CONSTRAINT fk_rated_segments_closing_closings FOREIGN KEY(closing) REFERENCES closings (month), 
	CONSTRAINT fk_rated_segments_digest_usage_parts FOREIGN KEY(digest) REFERENCES usage_parts (digest)
);
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','60389aff398075d5f352f13cab76b85864a28192b9a6a4cd980d9886ceb98ee8');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','6d0f182e178f645e78624232645115e29efa8e25cb9fc8cd8fc99851017c2acc');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','7422ef547c66093efd64aae710ce56d2cc5414402523d3c1b91f328dcc419fd6');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','f892233025198b317429ff32043c67f7b3b2a0738275d15ea53c4f28b02d37b2');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','6f4370aebe6700f12b7ea03fc1169a9d88eb3ee423c85a37f1e4a3b21be5558a');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','b5a6f7b9f630ae8343b2b905846fea778e16705a1f35aadcf9d3b380beffe20c');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','288e6eba632a7364c6d7aca48e39a249074ffc447524662efed1328267ee180a');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','9c8573cd09d5486861590ccb5683357d6d08972d3651f4c1cebe425b9767c8c5');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','c17af1370e6038934fe594e4c95acec3088ab1ba879475bd313f09c51c34e332');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','52e329d1df3d46b06ec1bd40ee88f44580c5fc0faf16e5de15f5211ec4cf4359');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','aa0decdf2b8a4698fd627b55c40033ec54f490d45e233697826a63b9de7e81ec');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','f5dc40df7325a3fe5ddaf26aa8141ce6f09edd707ca974ff0a40875c58d89a11');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','2cba241604b1fe0c7cf05d65530b535d41ee1d96efdd5b8aca0ad8318570c0ad');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','ae1a6f8d81122acd1bc4e466f27eeeafb5c0fe02fa3349eb0f173467b4b9a823');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','079132fe4ad5548a49ac24f9a27b9f625840ab9098ba8b16e5b0ae8ea28a3852');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','8decb0dfd9997d81a167093fdb1951f0543b407ea1f3158323de7223a7f1129c');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','ff9fe50f972ee2cf0932d5bcf3ef31434087b4d149ecd0a1343d2f31e574cdbf');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','9225ea591e9df488accdaa7b3321ef58fbab2449c10855ad551e9ff77cca11a9');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','a1364936f00a02b3e455186b8bf81066a5802761e9560aeb6447edd8a572f7d3');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','d89a24ddd3c35aff5d97a60310fd5777e0b0f3d96cbdd17437c416966a9f62a5');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','7d12c8a1ddc6b0db75d4cc8a0b180d491f63b19e316ad978ad6b00916e06a57e');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','18babd992196d6da64dd20e780f6f9c9fe788ce38888734d0ad020b3ec4d2b59');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','911e02ef2c28507c5eabd4c907a55bf393c53997a22e2c464f589951bae9fc7c');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','7478e384b40ae48d05a357a3845f635d26642e6165162f3f5aa13d8190c7b6dc');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','45b515bd7fb23eb47ce591160e6ebbb50c02d12d8de4754f5c491d0b903c6189');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','3b247e0e0bc86227a83b0db7ede5828adcd53f30a82c3ab38ea59136f8a03321');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','308bbf7fe611d8166538d782969922a392c77742bcc9f10dfa94ffb0a0d64124');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','d83d249a2366f2576ff3ffe657b903a36853cbb06b9913a90368deeb1f481430');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','787498828075d0df20463c20c3e65136c16c9a7da4931e3a23f9f978a035ab4c');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','95c09b2960e044f2bf821993176b946d3e9e86e7d92c422ee8d0c12b2e9a1b19');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','b48c63114b389c613b987cec5c45cc783fab015b79621902f083b46e8e233f5d');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','3f2c51b5906aeace28360b41548634fa0ae6e781a8a88c746d68840fb344a9ba');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','cf65ff162da3c24168c9f755689d281921921a15a2c133e9b5922d0a44dfddf4');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','bca9bc440759ed91af349b5bee1cd044efc9f9a0ba0c4bde1efeb2ea83e6ed53');
INSERT INTO "rated_segments" VALUES('2026-10','2026-10','mc-1','b2bf7c52b4510c0a5424ceda51fe91eb587a33f09b872355236574e95c4db3fd');
CREATE TABLE rule_changes (
	id INTEGER NOT NULL, 
	rule VARCHAR(80) NOT NULL, 
	machine VARCHAR(63) NOT NULL, 
	version INTEGER NOT NULL, 
	"values" JSON, 
	source VARCHAR(400) NOT NULL, 
	at BIGINT NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_rule_changes PRIMARY KEY (id), 
	CONSTRAINT uq_rule_changes_rule UNIQUE (rule, machine, version)
);
CREATE TABLE secrets (
	name VARCHAR(16) NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_secrets PRIMARY KEY (name)
);
CREATE TABLE service_entries (
	id INTEGER NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	rule VARCHAR(80) NOT NULL, 
	at BIGINT NOT NULL, 
	entered BIGINT NOT NULL, 
	used DOUBLE NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_service_entries PRIMARY KEY (id)
);
CREATE TABLE sessions (
	id VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	person_id VARCHAR(16) NOT NULL, 
	grant_id VARCHAR(16) NOT NULL, 
	created BIGINT NOT NULL, 
	used BIGINT NOT NULL, 
	expires BIGINT NOT NULL, 
	address VARCHAR(45) NOT NULL, 
	browser VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_sessions_grant_id_grants FOREIGN KEY(grant_id) REFERENCES grants (id) ON DELETE CASCADE, 
	CONSTRAINT fk_sessions_person_id_people FOREIGN KEY(person_id) REFERENCES people (id) ON DELETE CASCADE, 
	CONSTRAINT uq_sessions_sha256 UNIQUE (sha256)
);
CREATE TABLE sites (
	id VARCHAR(63) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	street VARCHAR(60) NOT NULL, 
	postal_code VARCHAR(5) NOT NULL, 
	town VARCHAR(60) NOT NULL, 
	province VARCHAR(2) NOT NULL, 
	CONSTRAINT pk_sites PRIMARY KEY (id), 
	CONSTRAINT uq_sites_name UNIQUE (name)
);
INSERT INTO "sites" VALUES('nord','Nord','','','','');
CREATE TABLE spares (
	id INTEGER NOT NULL, 
	machine VARCHAR(63), 
	name VARCHAR(120) NOT NULL, 
	part_number VARCHAR(80) NOT NULL, 
	supplier VARCHAR(120) NOT NULL, 
	place VARCHAR(120) NOT NULL, 
	stock INTEGER NOT NULL, 
	least INTEGER NOT NULL, 
	CONSTRAINT pk_spares PRIMARY KEY (id), 
	CONSTRAINT fk_spares_machine_machines FOREIGN KEY(machine) REFERENCES machines (id)
);
CREATE TABLE statement_events (
	id VARCHAR(16) NOT NULL, 
	number INTEGER NOT NULL, 
	kind VARCHAR(12) NOT NULL, 
	day DATE NOT NULL, 
	note VARCHAR(500) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	entered BIGINT NOT NULL, 
	CONSTRAINT pk_statement_events PRIMARY KEY (id), 
	CONSTRAINT fk_statement_events_number_statements FOREIGN KEY(number) REFERENCES statements (number)
);
CREATE TABLE statements (
	number INTEGER NOT NULL, 
	year INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	closing VARCHAR(7) NOT NULL, 
	member_id VARCHAR(63) NOT NULL, 
	net NUMERIC(14, 2) NOT NULL, 
	total NUMERIC(14, 2) NOT NULL, 
	body TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_statements PRIMARY KEY (number), 
	CONSTRAINT fk_statements_closing_closings FOREIGN KEY(closing) REFERENCES closings (month), 
	CONSTRAINT fk_statements_member_id_members FOREIGN KEY(member_id) REFERENCES members (id), 
	CONSTRAINT uq_statements_closing UNIQUE (closing, member_id), 
	CONSTRAINT uq_statements_year UNIQUE (year, sequence)
);
INSERT INTO "statements" VALUES(1,2026,1,'2026-10','alfa',224.07,272.93,'{"customer":{"codice_fiscale":"","country":"IT","email":"","group_name":"","id":"alfa","legal_name":"Officina Rossi S.r.l.","partita_iva":"00000010363","pec":"","postal_code":"","province":"","rea_number":"","rea_office":"","sdi_code":"ABC1234","street":"","town":""},"issued":"2026-11-05","issuer":{"codice_fiscale":"","country":"IT","iban":"","id":1,"invoices":false,"legal_form":"consorzio","legal_name":"Consorzio","partita_iva":"00000090365","payment_days":30,"payment_method":"MP05","pec":"","postal_code":"","province":"","rea_number":"","rea_office":"","regime":"RF01","sdi_code":"","street":"","town":""},"machines":{"mc-1":"M 1"},"number":"1/2026","statement":{"basis_versions":{"calendars":"arera@181/06","officina":"0.1.0","tariffs":"mills@1","tzdata":"2026.6"},"currency":"EUR","from":"2026-09-30T22:00:00Z","lines":[{"amount":"50.00","band":"","basis":"quota","corrects":null,"exact":"50.000000","flagged_amount":"0.00","flagged_quantity":0,"item":"Quota","machine":"","month":"2026-10","natura":"","parts":[{"amount":"50.00","day":null,"flagged_quantity":0,"quantity":0,"segments":[],"session":null}],"price":null,"price_per":"","price_units":"1","quantity":0,"reference":"quota/Quota","state":null,"steps":[{"exact":"50.000000","note":"","price":null,"quantity":null,"rule":"fixed"}],"tariff":"","unit":"","vat_rate":"22"},{"amount":"33.34","band":"","basis":"shared_cost","corrects":null,"exact":"33.340000","flagged_amount":"0.00","flagged_quantity":0,"item":"Rent","machine":"","month":"2026-10","natura":"","parts":[{"amount":"33.34","day":null,"flagged_quantity":0,"quantity":0,"segments":[],"session":null}],"price":null,"price_per":"","price_units":"1","quantity":0,"reference":"shared_cost/Rent","state":null,"steps":[{"exact":"33.340000","note":"100.01 by 43200","price":"14400","quantity":null,"rule":"share"}],"tariff":"","unit":"","vat_rate":"22"},{"amount":"3.30","band":"","basis":"time","corrects":null,"exact":"3.300000","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"3.30","day":"2026-10-13","flagged_quantity":0,"quantity":1200,"segments":[],"session":"2026-10-13T06:00:00Z"}],"price":"9.90","price_per":"h","price_units":"3600","quantity":1200,"reference":"time/mc-1/idle/mills@1","state":"idle","steps":[{"exact":"3.300000","note":"","price":"9.90","quantity":1200,"rule":"price"},{"exact":"3.300000","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"s","vat_rate":"22"},{"amount":"133.83","band":"","basis":"time","corrects":null,"exact":"133.833333","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"133.83","day":"2026-10-13","flagged_quantity":0,"quantity":13200,"segments":[],"session":"2026-10-13T06:00:00Z"}],"price":"36.50","price_per":"h","price_units":"3600","quantity":13200,"reference":"time/mc-1/processing/mills@1","state":"processing","steps":[{"exact":"133.833333","note":"","price":"36.50","quantity":13200,"rule":"price"},{"exact":"133.833333","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"s","vat_rate":"22"},{"amount":"3.60","band":"F1","basis":"energy","corrects":null,"exact":"3.600000","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"3.60","day":"2026-10-13","flagged_quantity":0,"quantity":12000000,"segments":[],"session":"2026-10-13T06:00:00Z"}],"price":"0.30","price_per":"kWh","price_units":"1000000","quantity":12000000,"reference":"energy/mc-1/F1/mills@1","state":null,"steps":[{"exact":"3.600000","note":"","price":"0.30","quantity":12000000,"rule":"price"},{"exact":"3.600000","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"mWh","vat_rate":"10"}],"member":"alfa","month":"2026-10","net":"224.07","policy":{"badge_off_seconds_max":"900","badge_seconds_max":"43200","estimate_gaps":"no","estimate_seconds_max":"86400","inferred_off_seconds_max":"60","payer_precedence":"correction > consortium > job > badge > booking > unattributed","rounding":"once per line, half away from zero","shares":"largest remainder, to the cent","silence_seconds_max":"60","vat_rounding":"once per rate, on the sum of its lines","zone":"Europe/Rome"},"tax":"48.86","time":[{"machine":"mc-1","quality":"measured","seconds":1200,"state":"idle"},{"machine":"mc-1","quality":"measured","seconds":13200,"state":"processing"}],"to":"2026-10-31T23:00:00Z","total":"272.93","vat":[{"base":"3.60","natura":"","rate":"10","vat":"0.36"},{"base":"220.47","natura":"","rate":"22","vat":"48.50"}],"zone":"Europe/Rome"}}','56f4a0b16b711d2c2b25bf3f908c28c7a459eee8957723ddd90fe7e91dc7e8ff');
INSERT INTO "statements" VALUES(2,2026,2,'2026-10','beta',401.98,489.57,'{"customer":{"codice_fiscale":"","country":"IT","email":"","group_name":"","id":"beta","legal_name":"Officina Rossi S.r.l.","partita_iva":"00000020362","pec":"","postal_code":"","province":"","rea_number":"","rea_office":"","sdi_code":"ABC1234","street":"","town":""},"issued":"2026-11-05","issuer":{"codice_fiscale":"","country":"IT","iban":"","id":1,"invoices":false,"legal_form":"consorzio","legal_name":"Consorzio","partita_iva":"00000090365","payment_days":30,"payment_method":"MP05","pec":"","postal_code":"","province":"","rea_number":"","rea_office":"","regime":"RF01","sdi_code":"","street":"","town":""},"machines":{"mc-1":"M 1"},"number":"2/2026","statement":{"basis_versions":{"calendars":"arera@181/06","officina":"0.1.0","tariffs":"mills@1","tzdata":"2026.6"},"currency":"EUR","from":"2026-09-30T22:00:00Z","lines":[{"amount":"50.00","band":"","basis":"quota","corrects":null,"exact":"50.000000","flagged_amount":"0.00","flagged_quantity":0,"item":"Quota","machine":"","month":"2026-10","natura":"","parts":[{"amount":"50.00","day":null,"flagged_quantity":0,"quantity":0,"segments":[],"session":null}],"price":null,"price_per":"","price_units":"1","quantity":0,"reference":"quota/Quota","state":null,"steps":[{"exact":"50.000000","note":"","price":null,"quantity":null,"rule":"fixed"}],"tariff":"","unit":"","vat_rate":"22"},{"amount":"66.67","band":"","basis":"shared_cost","corrects":null,"exact":"66.670000","flagged_amount":"0.00","flagged_quantity":0,"item":"Rent","machine":"","month":"2026-10","natura":"","parts":[{"amount":"66.67","day":null,"flagged_quantity":0,"quantity":0,"segments":[],"session":null}],"price":null,"price_per":"","price_units":"1","quantity":0,"reference":"shared_cost/Rent","state":null,"steps":[{"exact":"66.670000","note":"100.01 by 43200","price":"28800","quantity":null,"rule":"share"}],"tariff":"","unit":"","vat_rate":"22"},{"amount":"5.12","band":"","basis":"time","corrects":null,"exact":"5.115000","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"5.12","day":"2026-10-13","flagged_quantity":0,"quantity":1860,"segments":[],"session":"2026-10-13T10:00:00Z"}],"price":"9.90","price_per":"h","price_units":"3600","quantity":1860,"reference":"time/mc-1/idle/mills@1","state":"idle","steps":[{"exact":"5.115000","note":"","price":"9.90","quantity":1860,"rule":"price"},{"exact":"5.115000","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"s","vat_rate":"22"},{"amount":"273.14","band":"","basis":"time","corrects":null,"exact":"273.141667","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"273.14","day":"2026-10-13","flagged_quantity":0,"quantity":26940,"segments":[],"session":"2026-10-13T10:00:00Z"}],"price":"36.50","price_per":"h","price_units":"3600","quantity":26940,"reference":"time/mc-1/processing/mills@1","state":"processing","steps":[{"exact":"273.141667","note":"","price":"36.50","quantity":26940,"rule":"price"},{"exact":"273.141667","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"s","vat_rate":"22"},{"amount":"6.30","band":"F1","basis":"energy","corrects":null,"exact":"6.300000","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"6.30","day":"2026-10-13","flagged_quantity":0,"quantity":21000000,"segments":[],"session":"2026-10-13T10:00:00Z"}],"price":"0.30","price_per":"kWh","price_units":"1000000","quantity":21000000,"reference":"energy/mc-1/F1/mills@1","state":null,"steps":[{"exact":"6.300000","note":"","price":"0.30","quantity":21000000,"rule":"price"},{"exact":"6.300000","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"mWh","vat_rate":"10"},{"amount":"0.75","band":"F2","basis":"energy","corrects":null,"exact":"0.750000","flagged_amount":"0.00","flagged_quantity":0,"item":"","machine":"mc-1","month":"2026-10","natura":"","parts":[{"amount":"0.75","day":"2026-10-13","flagged_quantity":0,"quantity":3000000,"segments":[],"session":"2026-10-13T10:00:00Z"}],"price":"0.25","price_per":"kWh","price_units":"1000000","quantity":3000000,"reference":"energy/mc-1/F2/mills@1","state":null,"steps":[{"exact":"0.750000","note":"","price":"0.25","quantity":3000000,"rule":"price"},{"exact":"0.750000","note":"","price":null,"quantity":null,"rule":"round"}],"tariff":"mills@1","unit":"mWh","vat_rate":"10"}],"member":"beta","month":"2026-10","net":"401.98","policy":{"badge_off_seconds_max":"900","badge_seconds_max":"43200","estimate_gaps":"no","estimate_seconds_max":"86400","inferred_off_seconds_max":"60","payer_precedence":"correction > consortium > job > badge > booking > unattributed","rounding":"once per line, half away from zero","shares":"largest remainder, to the cent","silence_seconds_max":"60","vat_rounding":"once per rate, on the sum of its lines","zone":"Europe/Rome"},"tax":"87.59","time":[{"machine":"mc-1","quality":"measured","seconds":1860,"state":"idle"},{"machine":"mc-1","quality":"measured","seconds":900,"state":"off"},{"machine":"mc-1","quality":"measured","seconds":26940,"state":"processing"}],"to":"2026-10-31T23:00:00Z","total":"489.57","vat":[{"base":"7.05","natura":"","rate":"10","vat":"0.71"},{"base":"394.93","natura":"","rate":"22","vat":"86.88"}],"zone":"Europe/Rome"}}','b6ac9afba64681e532866fe7d8f98311514b229fc4e2981f35fea6b5c0e30d3c');
CREATE TABLE stop_lists (
	site VARCHAR(63) NOT NULL, 
	kind VARCHAR(120) NOT NULL, 
	reasons JSON NOT NULL, 
	CONSTRAINT pk_stop_lists PRIMARY KEY (site, kind)
);
CREATE TABLE stop_tags (
	id INTEGER NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	reason VARCHAR(40) NOT NULL, 
	it VARCHAR(120) NOT NULL, 
	en VARCHAR(120) NOT NULL, 
	"by" VARCHAR(40) NOT NULL, 
	entered BIGINT NOT NULL, 
	CONSTRAINT pk_stop_tags PRIMARY KEY (id), 
	CONSTRAINT fk_stop_tags_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
CREATE TABLE usage_days (
	machine_id VARCHAR(63) NOT NULL, 
	day DATE NOT NULL, 
	built BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	last_utc_day INTEGER NOT NULL, 
	is_stale BOOLEAN NOT NULL, 
	policy VARCHAR(64) NOT NULL, 
	texts JSON NOT NULL, 
	work BLOB NOT NULL, doubts JSON DEFAULT '[]' NOT NULL, has_doubts BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_usage_days PRIMARY KEY (machine_id, day), 
	CONSTRAINT fk_usage_days_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-02',1793869200000000000,1790978400000000000,20728,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-03',1793869200000000000,1791064800000000000,20729,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-04',1793869200000000000,1791151200000000000,20730,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-05',1793869200000000000,1791237600000000000,20731,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-06',1793869200000000000,1791324000000000000,20732,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-07',1793869200000000000,1791410400000000000,20733,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-08',1793869200000000000,1791496800000000000,20734,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-09',1793869200000000000,1791583200000000000,20735,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-10',1793869200000000000,1791669600000000000,20736,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-11',1793869200000000000,1791756000000000000,20737,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-12',1793869200000000000,1791842400000000000,20738,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-13',1793869200000000000,1791928800000000000,20739,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','["A-1", "B-2"]',X'78019B34F5BCC43DC698EB0E0718800CBED259CA0E0C8B1D750D172C004940F84086C672F9174009275DA3050B0038491521','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-14',1793869200000000000,1792015200000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','["B-2"]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-15',1793869200000000000,1792101600000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-16',1793869200000000000,1792188000000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-17',1793869200000000000,1792274400000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-18',1793869200000000000,1792360800000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-19',1793869200000000000,1792447200000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-20',1793869200000000000,1792533600000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-21',1793869200000000000,1792620000000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-22',1793869200000000000,1792706400000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-23',1793869200000000000,1792792800000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-24',1793869200000000000,1792879200000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-25',1793869200000000000,1792969200000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-26',1793869200000000000,1793055600000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-27',1793869200000000000,1793142000000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-28',1793869200000000000,1793228400000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-29',1793869200000000000,1793314800000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-30',1793869200000000000,1793401200000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-31',1793869200000000000,1793487600000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-11-01',1793869200000000000,1793574000000000000,2147483647,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-09-30',1793869200000000000,1790805600000000000,20739,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
INSERT INTO "usage_days" VALUES('mc-1','2026-10-01',1793869200000000000,1790892000000000000,20727,0,'5be78bf1f759ec31dbbcef23c68697aaf0db86a3b3b63333b2cac2cf0e881454','[]',X'78019B000000910091','[]',0);
CREATE TABLE usage_parts (
	digest VARCHAR(64) NOT NULL, 
	machine_id VARCHAR(63) NOT NULL, 
	day DATE NOT NULL, 
	payer VARCHAR(63) NOT NULL, 
	is_current BOOLEAN NOT NULL, 
	is_pinned BOOLEAN NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_usage_parts PRIMARY KEY (digest), 
	CONSTRAINT fk_usage_parts_machine_id_machines FOREIGN KEY(machine_id) REFERENCES machines (id)
);
INSERT INTO "usage_parts" VALUES('7422ef547c66093efd64aae710ce56d2cc5414402523d3c1b91f328dcc419fd6','mc-1','2026-10-02','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3032AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ABED7E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680002C1F255A');
INSERT INTO "usage_parts" VALUES('f892233025198b317429ff32043c67f7b3b2a0738275d15ea53c4f28b02d37b2','mc-1','2026-10-03','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3033AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC02960CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A820568000FF26242F');
INSERT INTO "usage_parts" VALUES('6f4370aebe6700f12b7ea03fc1169a9d88eb3ee423c85a37f1e4a3b21be5558a','mc-1','2026-10-04','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3034AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC17AE0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680001EFC2502');
INSERT INTO "usage_parts" VALUES('b5a6f7b9f630ae8343b2b905846fea778e16705a1f35aadcf9d3b380beffe20c','mc-1','2026-10-05','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3035AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC2CC60CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A82056800018EA24D6');
INSERT INTO "usage_parts" VALUES('288e6eba632a7364c6d7aca48e39a249074ffc447524662efed1328267ee180a','mc-1','2026-10-06','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3036AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC41DE0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A82056800011D924AA');
INSERT INTO "usage_parts" VALUES('9c8573cd09d5486861590ccb5683357d6d08972d3651f4c1cebe425b9767c8c5','mc-1','2026-10-07','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3037AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC56F60CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680000BC7247E');
INSERT INTO "usage_parts" VALUES('c17af1370e6038934fe594e4c95acec3088ab1ba879475bd313f09c51c34e332','mc-1','2026-10-08','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3038AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC6C0E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680002B8E2551');
INSERT INTO "usage_parts" VALUES('52e329d1df3d46b06ec1bd40ee88f44580c5fc0faf16e5de15f5211ec4cf4359','mc-1','2026-10-09','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3039AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AC81260CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A820568000FE952426');
INSERT INTO "usage_parts" VALUES('aa0decdf2b8a4698fd627b55c40033ec54f490d45e233697826a63b9de7e81ec','mc-1','2026-10-10','(unattributed)',1,1,X'78019BC6B8243759D7709591819199AEA10110ADD328CD4B2C2929CA4C2A2D494DD19CB82AB3243537BEB824B12475E2CC735927931F9C63600C6C589C9F96B6223735B1B8B4283565495E7E5EEA81431326319C97B865B84221AC8101001BE424F0');
INSERT INTO "usage_parts" VALUES('f5dc40df7325a3fe5ddaf26aa8141ce6f09edd707ca974ff0a40875c58d89a11','mc-1','2026-10-11','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3131AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ACAB560CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A82056800015D224C4');
INSERT INTO "usage_parts" VALUES('2cba241604b1fe0c7cf05d65530b535d41ee1d96efdd5b8aca0ad8318570c0ad','mc-1','2026-10-12','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3132AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ACC06E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680000EC12498');
INSERT INTO "usage_parts" VALUES('ae1a6f8d81122acd1bc4e466f27eeeafb5c0fe02fa3349eb0f173467b4b9a823','mc-1','2026-10-13','(unattributed)',1,1,X'78019BC6B8243759D7709591819199AEA181AEA1F13A8DD2BCC49292A2CCA4D292D414CD89AB324B5273E38B4B124B5227CF3C97753622E16CCA89C5F969692B7253138B4B8B525396E4E5E7A51E3834610AC379895B862B14C21A1880ACBB6FB76F7ACBC000D27260CD590E1392B49C2B5C70D6C201AB964940B3EF692C977FE1C00000B60D55F4');
INSERT INTO "usage_parts" VALUES('079132fe4ad5548a49ac24f9a27b9f625840ab9098ba8b16e5b0ae8ea28a3852','mc-1','2026-10-13','alfa',1,1,X'78019BC6B8243759D7709591819199AEA181AEA1F192C49CB4C449AB324B5273E38B4B124B521767E5274D9A792EEBEC89076759362CC94CC9495D919B9A585C5A949A02923B7068D2D465A979A945E9951045CC2DE718B80B371C46123D93729651E71C03F3850987A7309C97B8C71873DDE10003239C0532FEEC84B3C613561514E527A7161767E6A5A359321FC938A052A688730CEC0B15902D39FFE22C16AB2FE76013BDF6019BE8AD126CA2777F60137D58834DF4290336D1172DD844DF7060137DDF834DF4B30036D16F53B089FE92C026FA770E5C141C054C2536971720450100399000C6');
INSERT INTO "usage_parts" VALUES('8decb0dfd9997d81a167093fdb1951f0543b407ea1f3158323de7223a7f1129c','mc-1','2026-10-13','beta',1,1,X'78019BC6B8243759D7709591819199AEA181AEA1F192A4D492C4C9AB324B5273E38B4B124B52972625A6A4A72ECECA4F9A3CF35CD6D9BD1A67995B16E7A7A5ADC84D4D2C2E2D4A4D8128387068C23486F312B70C5728843530005977DF6EDFF496818111C8FAB7283270020350F7394685B3EC2E4B32537252E1DA41261F383479EAB2D4BCD4A2F44A8822E696730CDC851B0E2389B22C015A8C21CAA16173F670C0E129400BEFF195CE5276606082B3401672A49CCDB4595550949F9C5A5C9C99978E66ED1D0639242B808A993DCE3170AD4B40B6987B0D368BF90DB0890A6DC1262A66814D54720F365159076CA20A47B089AA786013553F834D543B009BA8DE156CA24611D8444DEF6013B54CC0266AF3049BA843063651E737D844DD0BB0897A7DC126EA57814D34F00F36D1D0066CA2912CD844633AB08926F060134D9E804D345D049B68D60C6CA279327051707216505B75EC05527206009405B8E9');
INSERT INTO "usage_parts" VALUES('ff9fe50f972ee2cf0932d5bcf3ef31434087b4d149ecd0a1343d2f31e574cdbf','mc-1','2026-10-14','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3134AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ACEA9E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840002989258A');
INSERT INTO "usage_parts" VALUES('9225ea591e9df488accdaa7b3321ef58fbab2449c10855ad551e9ff77cca11a9','mc-1','2026-10-15','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3135AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ACFFB60CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840002377255E');
INSERT INTO "usage_parts" VALUES('a1364936f00a02b3e455186b8bf81066a5802761e9560aeb6447edd8a572f7d3','mc-1','2026-10-16','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3136AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD14CE0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840001C662532');
INSERT INTO "usage_parts" VALUES('d89a24ddd3c35aff5d97a60310fd5777e0b0f3d96cbdd17437c416966a9f62a5','mc-1','2026-10-17','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3137AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD29E60CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE8400016542506');
INSERT INTO "usage_parts" VALUES('7d12c8a1ddc6b0db75d4cc8a0b180d491f63b19e316ad978ad6b00916e06a57e','mc-1','2026-10-18','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3138AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD3EFE0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000361B25D9');
INSERT INTO "usage_parts" VALUES('18babd992196d6da64dd20e780f6f9c9fe788ce38888734d0ad020b3ec4d2b59','mc-1','2026-10-19','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3139AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD54160CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000093124AE');
INSERT INTO "usage_parts" VALUES('911e02ef2c28507c5eabd4c907a55bf393c53997a22e2c464f589951bae9fc7c','mc-1','2026-10-20','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3230AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD692E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE8400026712578');
INSERT INTO "usage_parts" VALUES('7478e384b40ae48d05a357a3845f635d26642e6165162f3f5aa13d8190c7b6dc','mc-1','2026-10-21','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3231AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD7E460CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000205F254C');
INSERT INTO "usage_parts" VALUES('45b515bd7fb23eb47ce591160e6ebbb50c02d12d8de4754f5c491d0b903c6189','mc-1','2026-10-22','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3232AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AD935E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000194E2520');
INSERT INTO "usage_parts" VALUES('3b247e0e0bc86227a83b0db7ede5828adcd53f30a82c3ab38ea59136f8a03321','mc-1','2026-10-23','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3233AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ADA8760CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000133C24F4');
INSERT INTO "usage_parts" VALUES('308bbf7fe611d8166538d782969922a392c77742bcc9f10dfa94ffb0a0d64124','mc-1','2026-10-24','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3234AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ADBD8E0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000330325C7');
INSERT INTO "usage_parts" VALUES('d83d249a2366f2576ff3ffe657b903a36853cbb06b9913a90368deeb1f481430','mc-1','2026-10-25','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3235AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ADD2A60CE00015F90A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840000A0524BA');
INSERT INTO "usage_parts" VALUES('787498828075d0df20463c20c3e65136c16c9a7da4931e3a23f9f978a035ab4c','mc-1','2026-10-26','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3236AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ADE89F0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840002A62258D');
INSERT INTO "usage_parts" VALUES('95c09b2960e044f2bf821993176b946d3e9e86e7d92c422ee8d0c12b2e9a1b19','mc-1','2026-10-27','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3237AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ADFDB70CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE8400024502561');
INSERT INTO "usage_parts" VALUES('b48c63114b389c613b987cec5c45cc783fab015b79621902f083b46e8e233f5d','mc-1','2026-10-28','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3238AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AE12CF0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE840001D3F2535');
INSERT INTO "usage_parts" VALUES('3f2c51b5906aeace28360b41548634fa0ae6e781a8a88c746d68840fb344a9ba','mc-1','2026-10-29','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3239AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AE27E70CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000172D2509');
INSERT INTO "usage_parts" VALUES('cf65ff162da3c24168c9f755689d281921921a15a2c133e9b5922d0a44dfddf4','mc-1','2026-10-30','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3330AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AE3CFF0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000346D25D3');
INSERT INTO "usage_parts" VALUES('bca9bc440759ed91af349b5bee1cd044efc9f9a0ba0c4bde1efeb2ea83e6ed53','mc-1','2026-10-31','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3331AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AE52170CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE84000078324A8');
INSERT INTO "usage_parts" VALUES('b2bf7c52b4510c0a5424ceda51fe91eb587a33f09b872355236574e95c4db3fd','mc-1','2026-11-01','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31312D3031AE28756E617474726962757465642991AA6974656D5F73746174659199CE6AE672F0CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DE28A71FE8400026722578');
INSERT INTO "usage_parts" VALUES('60389aff398075d5f352f13cab76b85864a28192b9a6a4cd980d9886ceb98ee8','mc-1','2026-09-30','(unattributed)',1,1,X'78019BC6B8243759D7709591819199AE81A5AEB1C13A8DD2BCC49292A2CCA4D292D414CD89AB324B5273E38B4B124B5227CD3C97B5C7E4C1390646D384E5A579D979F9E579307A495E7E5EEA8143132600D5ECCD72382BA3B0383F2D6D456E6A627169516A0A4C7A12C379895B862B14C21A180036C63528');
INSERT INTO "usage_parts" VALUES('6d0f182e178f645e78624232645115e29efa8e25cb9fc8cd8fc99851017c2acc','mc-1','2026-10-01','(unattributed)',1,1,X'7801015900A6FF9601A46D632D31AA323032362D31302D3031AE28756E617474726962757465642991AA6974656D5F73746174659199CE6ABD8660CE00015180A36F6666A86D65617375726564A46E6F6E65C0C2909200CF18DA31A8205680000C582487');
CREATE TABLE used_links (
	id VARCHAR(32) NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_used_links PRIMARY KEY (id)
);
CREATE TABLE watch_jobs (
	name VARCHAR(32) NOT NULL, 
	ended BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	error TEXT NOT NULL, 
	CONSTRAINT pk_watch_jobs PRIMARY KEY (name)
);
CREATE TABLE watch_states (
	name VARCHAR(80) NOT NULL, 
	position BIGINT NOT NULL, 
	state BLOB NOT NULL, 
	CONSTRAINT pk_watch_states PRIMARY KEY (name, position), 
	CONSTRAINT fk_watch_states_name_watched FOREIGN KEY(name) REFERENCES watched (name) ON DELETE CASCADE
);
CREATE TABLE watched (
	name VARCHAR(80) NOT NULL, 
	since BIGINT NOT NULL, 
	arrived BIGINT NOT NULL, 
	unknown_codes JSON NOT NULL, 
	"plan" JSON NOT NULL, 
	CONSTRAINT pk_watched PRIMARY KEY (name)
);
CREATE TABLE work_orders (
	number INTEGER NOT NULL, 
	machine VARCHAR(63) NOT NULL, 
	incident VARCHAR(16), 
	rule VARCHAR(80) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	text VARCHAR(4000) NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	assignee VARCHAR(120) NOT NULL, 
	opened BIGINT NOT NULL, 
	opened_by VARCHAR(40) NOT NULL, 
	due BIGINT, 
	done BIGINT, 
	closed BIGINT, 
	closed_by VARCHAR(40) NOT NULL, 
	minutes INTEGER NOT NULL, 
	parts JSON NOT NULL, 
	lock_out VARCHAR(16), 
	released BIGINT, 
	return_check VARCHAR(4000) NOT NULL, 
	CONSTRAINT pk_work_orders PRIMARY KEY (number), 
	CONSTRAINT fk_work_orders_lock_out_lock_outs FOREIGN KEY(lock_out) REFERENCES lock_outs (id), 
	CONSTRAINT fk_work_orders_incident_incidents FOREIGN KEY(incident) REFERENCES incidents (id), 
	CONSTRAINT fk_work_orders_machine_machines FOREIGN KEY(machine) REFERENCES machines (id)
);
CREATE TABLE work_photos (
	id VARCHAR(16) NOT NULL, 
	work_order INTEGER NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	media_type VARCHAR(80) NOT NULL, 
	content BLOB NOT NULL, 
	added BIGINT NOT NULL, 
	CONSTRAINT pk_work_photos PRIMARY KEY (id), 
	CONSTRAINT fk_work_photos_work_order_work_orders FOREIGN KEY(work_order) REFERENCES work_orders (number)
);
CREATE INDEX ix_audit_subject ON audit (subject);
CREATE INDEX ix_grants_person_id ON grants (person_id);
CREATE INDEX ix_api_keys_grant_id ON api_keys (grant_id);
CREATE INDEX ix_sessions_grant_id ON sessions (grant_id);
CREATE INDEX ix_sessions_person_id ON sessions (person_id);
CREATE INDEX ix_machine_files_machine_id ON machine_files (machine_id);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE INDEX ix_calendar_machines_calendar_id ON calendar_machines (calendar_id);
CREATE INDEX ix_bookings_machine ON bookings (machine_id, ends);
CREATE INDEX ix_bookings_member ON bookings (member_id, ends);
CREATE INDEX ix_bookings_series_id ON bookings (series_id);
CREATE INDEX ix_booking_changes_machine ON booking_changes (machine_id, ends);
CREATE INDEX ix_lock_outs_machine ON lock_outs (machine_id, ends);
CREATE INDEX ix_booking_notices_member_id ON booking_notices (member_id);
CREATE INDEX ix_booking_notices_lock_out_id ON booking_notices (lock_out_id);
CREATE INDEX ix_check_ins_machine_id_at ON check_ins (machine_id, at);
CREATE INDEX ix_corrections_machine_id_starts ON corrections (machine_id, starts);
CREATE INDEX ix_maintenance_times_machine_id_starts ON maintenance_times (machine_id, starts);
CREATE INDEX ix_usage_parts_machine_id_day ON usage_parts (machine_id, day);
CREATE INDEX ix_usage_parts_payer_day ON usage_parts (payer, day);
CREATE INDEX ix_alarm_changes_name_stamp ON alarm_changes (name, stamp);
CREATE INDEX ix_conditions_name_stamp ON conditions (name, stamp);
CREATE INDEX ix_deliveries_incident ON deliveries (incident);
CREATE INDEX ix_deliveries_status_due ON deliveries (status, due);
CREATE INDEX ix_incidents_name ON incidents (name);
CREATE INDEX ix_incidents_open ON incidents (closed, withdrawn);
CREATE INDEX ix_incidents_since ON incidents (since);
CREATE INDEX ix_service_entries_name ON service_entries (name);
CREATE INDEX ix_channels_person ON channels (person);
CREATE INDEX ix_incident_deeds_incident ON incident_deeds (incident);
CREATE INDEX ix_incident_deeds_name ON incident_deeds (name);
CREATE INDEX ix_planned_windows_end ON planned_windows ("end");
CREATE INDEX ix_spares_machine ON spares (machine);
CREATE INDEX ix_work_orders_incident ON work_orders (incident);
CREATE INDEX ix_work_orders_machine ON work_orders (machine);
CREATE INDEX ix_work_orders_state ON work_orders (state);
CREATE INDEX ix_work_photos_work_order ON work_photos (work_order);
CREATE INDEX ix_invitations_person_id ON invitations (person_id);
CREATE INDEX ix_contests_month ON contests (month);
CREATE INDEX ix_statements_member_id ON statements (member_id);
CREATE INDEX ix_statement_events_number ON statement_events (number);
CREATE INDEX ix_rated_segments_digest ON rated_segments (digest);
CREATE INDEX ix_usage_days_has_doubts ON usage_days (has_doubts);
CREATE TRIGGER statements_no_update BEFORE UPDATE ON statements BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER statements_no_delete BEFORE DELETE ON statements BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE INDEX ix_stop_tags_machine_id_at ON stop_tags (machine_id, at);
CREATE INDEX ix_maintenance_calls_machine_id ON maintenance_calls (machine_id);
CREATE INDEX ix_booking_feeds_member_id ON booking_feeds (member_id);
CREATE INDEX ix_month_runs_month_kind ON month_runs (month, kind);
COMMIT;

/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define VIEW SOAP("CreateContainerView", "<returnval type='ContainerView'>view-1</returnval>")
#define DESTROYED SOAP("DestroyView", "")
#define HOST(id, name)                                                           \
	"<objects><obj type='HostSystem'>" id "</obj><propSet><name>name</name>" \
	"<val i:type='xsd:string'>" name "</val></propSet></objects>"
#define PAGE(method, body) SOAP(method, "<returnval>" body "</returnval>")
#define TASK SOAP("ReconfigVM_Task", "<returnval type='Task'>task-7</returnval>")
#define TASK_STATE(state, more)                                      \
	PAGE("RetrievePropertiesEx",                                 \
	     "<objects><obj type='Task'>task-7</obj><propSet><name>" \
	     "info.state</name><val>" state "</val></propSet>" more "</objects>")

/* What a query saw, as one text. */
struct seen {
	char text[512];
};

static int see_host(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct seen *s = ctx;

	(void)err;
	strlcat(s->text, o->ref.id, sizeof(s->text));
	strlcat(s->text, "=", sizeof(s->text));
	strlcat(s->text, np_vcenter_val_text(np_vcenter_object_get(o, "name")), sizeof(s->text));
	strlcat(s->text, " ", sizeof(s->text));
	return 0;
}

static void see_restart(void *ctx)
{
	((struct seen *)ctx)->text[0] = '\0';
}

static int query_hosts(struct vc *t, struct seen *s, bool restarts, struct np_err *err)
{
	static const char *const paths[] = { "name" };
	const struct np_vcenter_query q = { .type = "HostSystem",
					    .paths = paths,
					    .n_paths = 1,
					    .page = 2,
					    .each = see_host,
					    .restart = restarts ? see_restart : NULL,
					    .ctx = s };

	return np_vcenter_query(t->v, &q, err);
}

/* --- queries ------------------------------------------------------------------------------------ */

static void test_vcenter__query_visits_all_pages(void **state)
{
	struct vc *t = *state;
	struct seen s = { "" };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW,
			  PAGE("RetrievePropertiesEx",
			       "<token>1</token>" HOST("host-1", "a") HOST("host-2", "b")),
			  PAGE("ContinueRetrievePropertiesEx", HOST("host-3", "c &amp; d")),
			  DESTROYED, SOAP_LOGOUT));
	assert_int_equal(query_hosts(t, &s, false, &err), 0);
	assert_string_equal(s.text, "host-1=a host-2=b host-3=c & d ");
	expect_requests(t, (const char *const[]){
				   "<RetrieveServiceContent ", "<Login ",
				   "<container type=\"Folder\">group-d1</container>"
				   "<type>HostSystem</type><recursive>true</recursive>",
				   "<pathSet>name</pathSet></propSet><objectSet>"
				   "<obj type=\"ContainerView\">view-1</obj><skip>true</skip>",
				   "<token>1</token>", "<DestroyView ", "<Logout ", NULL });
	expect_in_request(t, 3, "<maxObjects>2</maxObjects>");
}

static void test_vcenter__query_of_nothing(void **state)
{
	struct vc *t = *state;
	struct seen s = { "" };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW, SOAP("RetrievePropertiesEx", ""), DESTROYED,
			  SOAP_LOGOUT));
	assert_int_equal(query_hosts(t, &s, false, &err), 0);
	assert_string_equal(s.text, "");
}

static void test_vcenter__query_starts_over_when_session_is_lost(void **state)
{
	struct vc *t = *state;
	struct seen s = { "" };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW,
			  PAGE("RetrievePropertiesEx", "<token>1</token>" HOST("host-1", "a")),
			  SOAP_EXPIRED, SOAP_LOGIN, VIEW,
			  PAGE("RetrievePropertiesEx", HOST("host-1", "b")), DESTROYED, VIEW,
			  PAGE("RetrievePropertiesEx", "<token>1</token>" HOST("host-1", "a")),
			  SOAP_EXPIRED));
	assert_int_equal(query_hosts(t, &s, true, &err), 0);
	assert_string_equal(s.text, "host-1=b ");
	assert_int_equal(query_hosts(t, &s, false, &err), -NP_E_RETRY);
	expect_has("error", err.text, "the session ended between two pages: ");
	expect_requests(t, (const char *const[]){ "<RetrieveServiceContent ", "<Login ",
						  "<CreateContainerView ", "<RetrievePropertiesEx ",
						  "<ContinueRetrievePropertiesEx ", "<Login ",
						  "<CreateContainerView ", "<RetrievePropertiesEx ",
						  "<DestroyView ", "<CreateContainerView ",
						  "<RetrievePropertiesEx ",
						  "<ContinueRetrievePropertiesEx ", NULL });
}

#define FIRST_PAGE PAGE("RetrievePropertiesEx", "<token>1</token>" HOST("host-1", "a"))
#define DELETED SOAP_FAULT("ManagedObjectNotFound", "has been deleted")

/* The second page is lost once, and once more for a query that cannot start over. */
static void lose_a_page(struct vc *t, struct step lost, const char *says)
{
	struct seen s = { "" };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW, FIRST_PAGE, lost, DESTROYED, VIEW,
			  PAGE("RetrievePropertiesEx", HOST("host-1", "b")), DESTROYED, VIEW,
			  FIRST_PAGE, lost, DESTROYED, SOAP_LOGOUT));
	assert_int_equal(query_hosts(t, &s, true, &err), 0);
	assert_string_equal(s.text, "host-1=b ");
	assert_int_equal(query_hosts(t, &s, false, &err), -NP_E_RETRY);
	expect_has("error", err.text, says);
}

static void test_vcenter__query_starts_over_when_an_object_is_deleted(void **state)
{
	lose_a_page(*state, (struct step)DELETED, "an object was deleted between two pages: ");
}

static void test_vcenter__query_starts_over_when_a_page_is_lost(void **state)
{
	lose_a_page(*state, (struct step){ NULL, NULL, NULL, 0 }, "a page was lost: ");
}

static void test_vcenter__query_does_not_start_over_for_ever(void **state)
{
	struct vc *t = *state;
	struct seen s = { "" };
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW, FIRST_PAGE, DELETED, DESTROYED, VIEW, FIRST_PAGE,
			  DELETED, DESTROYED, VIEW, FIRST_PAGE, DELETED, DESTROYED, SOAP_LOGOUT));
	assert_int_equal(query_hosts(t, &s, true, &err), -NP_E_RETRY);
	expect_has("error", err.text, "an object was deleted between two pages: ");
	np_vcenter_free(np_take(t->v));
	assert_int_equal(t->bed.server.n, 15);
}

static int stop(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	(void)ctx;
	return np_fail(err, NP_E_SPEC, "%s is enough", o->ref.id);
}

static void test_vcenter__visitor_ends_query(void **state)
{
	const struct np_vcenter_query q = { .type = "HostSystem", .each = stop };
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VIEW,
			  PAGE("RetrievePropertiesEx", "<token>1</token>" HOST("host-1", "a")),
			  DESTROYED, SOAP_LOGOUT));
	assert_int_equal(np_vcenter_query(t->v, &q, &err), -NP_E_SPEC);
	assert_string_equal(err.text, "host-1 is enough");
	np_vcenter_free(np_take(t->v));
	assert_int_equal(t->bed.server.n, 6);
}

static void test_vcenter__object_that_is_gone(void **state)
{
	const struct np_vcenter_query q = { .type = "VirtualMachine", .each = stop };
	const struct np_vcenter_ref ref = { "VirtualMachine", "vm-1" };
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN,
			  SOAP_FAULT("ManagedObjectNotFound", "has been deleted"), SOAP_LOGOUT));
	assert_int_equal(np_vcenter_read(t->v, &ref, 1, &q, &err), -NP_E_NOT_FOUND);
	expect_has("error", err.text, "ManagedObjectNotFound: has been deleted");
}

/* --- values ------------------------------------------------------------------------------------- */

#define VALUES                                                                              \
	PAGE("RetrievePropertiesEx",                                                        \
	     "<objects><obj type='HostSystem'>host-1</obj>"                                 \
	     "<propSet><name>parent</name>"                                                 \
	     "<val type='Folder' i:type='ManagedObjectReference'>group-h1</val></propSet>"  \
	     "<propSet><name>list</name><val i:type='ArrayOfHostPciDevice'>"                \
	     "<HostPciDevice><vendorId>-32634</vendorId></HostPciDevice>"                   \
	     "<HostPciDevice><vendorId>4318</vendorId></HostPciDevice></val></propSet>"     \
	     "<propSet><name>yes</name><val>1</val></propSet>"                              \
	     "<propSet><name>no</name><val>false</val></propSet>"                           \
	     "<propSet><name>text</name><val>TRUE</val></propSet>"                          \
	     "<propSet><name>huge</name><val>9999999999999999999</val></propSet>"           \
	     "<propSet><name>blank</name><val> 1</val></propSet>"                           \
	     "<propSet><name>nil</name><val i:nil='true'/></propSet>"                       \
	     "<missingSet><path>secret</path><fault><fault i:type='NoPermission'/></fault>" \
	     "</missingSet></objects>")

static int read_values(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	const struct np_vcenter_val *list = np_vcenter_object_get(o, "list");
	const struct np_vcenter_val *first = np_vcenter_val_first(list);
	struct np_vcenter_ref ref;
	unsigned id = 0;
	int64_t n = 7;
	bool b = false;

	(void)err;
	assert_true(np_vcenter_val_ref(np_vcenter_object_get(o, "parent"), &ref));
	assert_string_equal(ref.type, "Folder");
	assert_string_equal(ref.id, "group-h1");
	assert_false(np_vcenter_val_ref(np_vcenter_object_get(o, "text"), &ref));
	assert_string_equal(np_vcenter_val_type(list), "ArrayOfHostPciDevice");
	assert_true(np_vcenter_val_pci_id(np_vcenter_val_member(first, "vendorId"), &id));
	assert_int_equal(id, 0x8086);
	first = np_vcenter_val_next(first);
	assert_true(np_vcenter_val_pci_id(np_vcenter_val_member(first, "vendorId"), &id));
	assert_int_equal(id, 0x10de);
	assert_null(np_vcenter_val_next(first));
	assert_true(np_vcenter_val_bool(np_vcenter_object_get(o, "yes"), &b) && b);
	assert_true(np_vcenter_val_bool(np_vcenter_object_get(o, "no"), &b) && !b);
	assert_false(np_vcenter_val_bool(np_vcenter_object_get(o, "text"), &b));
	assert_false(np_vcenter_val_int(np_vcenter_object_get(o, "text"), 0, 9, &n));
	assert_false(np_vcenter_val_int(np_vcenter_object_get(o, "huge"), 0, INT64_MAX, &n));
	assert_false(np_vcenter_val_int(np_vcenter_object_get(o, "blank"), 0, 9, &n));
	assert_int_equal(n, 7);
	assert_null(np_vcenter_object_get(o, "nil"));
	assert_null(np_vcenter_object_get(o, "absent"));
	assert_string_equal(np_vcenter_object_fault(o, "secret"), "NoPermission");
	assert_string_equal(np_vcenter_object_fault(o, "absent"), "");
	assert_null(np_vcenter_val_member(NULL, "x"));
	assert_null(np_vcenter_val_first(NULL));
	assert_null(np_vcenter_val_next(NULL));
	assert_string_equal(np_vcenter_val_member_text(NULL, "x"), "");
	++*(int *)ctx;
	return 0;
}

static void test_vcenter__values_are_typed(void **state)
{
	const struct np_vcenter_ref ref = { "HostSystem", "host-1" };
	int n = 0;
	const struct np_vcenter_query q = { .type = "HostSystem", .each = read_values, .ctx = &n };
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, VALUES, SOAP_LOGOUT));
	assert_int_equal(np_vcenter_read(t->v, &ref, 1, &q, &err), 0);
	assert_int_equal(n, 1);
}

/* --- changes ------------------------------------------------------------------------------------ */

#define PROPERTY(name, val) "<propSet><name>" name "</name>" val "</propSet>"

static int reconfigure(struct vc *t, struct np_err *err)
{
	static const struct np_vcenter_ref vm = { "VirtualMachine", "vm-1" };
	static const struct np_vcenter_extra extra[] = { { "a<b", "c&d" }, { "gone", "" } };
	static const bool locked = true;
	static const int64_t reservation = 2048;
	const struct np_vcenter_vm_change c = { .name = "gpu-1",
						.change_version = "2026",
						.firmware = "efi",
						.reservation_locked = &locked,
						.reservation_mb = &reservation,
						.extra = extra,
						.n_extra = 2 };

	return np_vcenter_vm_reconfigure(t->v, &vm, &c, err);
}

static void test_vcenter__task_is_polled_to_its_end(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, TASK, TASK_STATE("queued", ""),
			  TASK_STATE("running", ""), TASK_STATE("success", ""), SOAP_LOGOUT));
	assert_int_equal(reconfigure(t, &err), 0);
	np_vcenter_free(np_take(t->v));
	assert_int_equal(t->bed.server.n, 7);
	expect_in_request(t, 2,
			  "<_this type=\"VirtualMachine\">vm-1</_this><spec><changeVersion>2026"
			  "</changeVersion><memoryAllocation><reservation>2048</reservation>"
			  "</memoryAllocation><extraConfig xsi:type=\"OptionValue\"><key>a&lt;b"
			  "</key><value xsi:type=\"xsd:string\">c&amp;d</value></extraConfig>");
	expect_in_request(t, 2,
			  "<value xsi:type=\"xsd:string\"></value></extraConfig><firmware>efi"
			  "</firmware><memoryReservationLockedToMax>true"
			  "</memoryReservationLockedToMax></spec></ReconfigVM_Task>");
	expect_in_request(t, 3, "<obj type=\"Task\">task-7</obj>");
}

static void test_vcenter__failed_task_is_an_error(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, TASK,
			  TASK_STATE("error", PROPERTY("info.error",
						       "<val><fault i:type='ConcurrentAccess'/>"
						       "<localizedMessage>It changed."
						       "</localizedMessage></val>")),
			  TASK, TASK_STATE("error", ""), TASK, TASK_STATE("dreaming", ""),
			  SOAP_FAULT("InvalidState", "The VM is on."), SOAP_LOGOUT));
	assert_int_equal(reconfigure(t, &err), -NP_E_CONFLICT);
	assert_string_equal(err.text, "cannot change VM 'gpu-1': vCenter answers with the fault "
				      "ConcurrentAccess: It changed.");
	assert_int_equal(reconfigure(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "the fault without a type");
	/* Its end is not known. */
	assert_int_equal(reconfigure(t, &err), -NP_E_RETRY);
	expect_has("error", err.text, "the task's state 'dreaming' is not known");
	assert_int_equal(reconfigure(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "the fault InvalidState: The VM is on.");
}

static void test_vcenter__change_without_a_sound_answer_may_have_begun(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, { "200 OK", NULL, "<html>", 0 },
			  SOAP("ReconfigVM_Task", ""), SOAP_LOGOUT));
	assert_int_equal(reconfigure(t, &err), -NP_E_RETRY);
	expect_has("error", err.text, "not well-formed XML");
	assert_int_equal(reconfigure(t, &err), -NP_E_RETRY);
	expect_has("error", err.text, "whether it changes is not known");
}

static void test_vcenter__lost_change_is_not_repeated(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, { NULL, NULL, NULL, 0 }, SOAP_LOGOUT));
	assert_int_equal(reconfigure(t, &err), -NP_E_RETRY);
	np_vcenter_free(np_take(t->v));
	assert_int_equal(t->bed.server.n, 4);
}

static void test_vcenter__settings(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;
	char *value = NULL;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, SOAP_FAULT("InvalidName", "no such key"),
			  SOAP("UpdateOptions", ""),
			  SOAP("QueryOptions", "<returnval><key>a.bc</key><value>no</value>"
					       "</returnval><returnval><key>a.b</key><value "
					       "i:type='xsd:boolean'>true</value></returnval>"),
			  SOAP_FAULT("NoPermission", "denied"), SOAP_LOGOUT));
	assert_int_equal(np_vcenter_setting_get(t->v, "a.b", &value, &err), 0);
	assert_null(value);
	assert_int_equal(np_vcenter_setting_set_bool(t->v, "a.b", true, &err), 0);
	assert_int_equal(np_vcenter_setting_get(t->v, "a.b", &value, &err), 0);
	assert_string_equal(value, "true");
	free(value);
	assert_int_equal(np_vcenter_setting_set_bool(t->v, "a.b", true, &err), -NP_E_FORBIDDEN);
	expect_has("error", err.text,
		   "may not change vCenter's setting 'a.b': the privilege "
		   "Global.Settings is missing: denied");
	expect_in_request(t, 3,
			  "<_this type=\"OptionManager\">VpxSettings</_this><changedValue "
			  "xsi:type=\"OptionValue\"><key>a.b</key><value "
			  "xsi:type=\"xsd:boolean\">true</value></changedValue>");
}

static void test_vcenter__passthrough_is_enabled(void **state)
{
	static const struct np_vcenter_ref pci = { "HostPciPassthruSystem", "pci-1" };
	static const char *const devices[] = { "0000:3b:00.0", "0000:3c:00.0" };
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, SOAP("UpdatePassthruConfig", ""), SOAP_LOGOUT));
	assert_int_equal(np_vcenter_host_enable_passthrough(t->v, &pci, devices, 0, false, &err),
			 0);
	assert_int_equal(np_vcenter_host_enable_passthrough(t->v, &pci, devices, 2, true, &err), 0);
	expect_in_request(t, 2,
			  "<config><id>0000:3b:00.0</id><passthruEnabled>true</passthruEnabled>"
			  "<applyNow>true</applyNow></config><config><id>0000:3c:00.0</id>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VC(test_vcenter__query_visits_all_pages),
		IN_VC(test_vcenter__query_of_nothing),
		IN_VC(test_vcenter__query_starts_over_when_session_is_lost),
		IN_VC(test_vcenter__query_starts_over_when_an_object_is_deleted),
		IN_VC(test_vcenter__query_starts_over_when_a_page_is_lost),
		IN_VC(test_vcenter__query_does_not_start_over_for_ever),
		IN_VC(test_vcenter__visitor_ends_query),
		IN_VC(test_vcenter__object_that_is_gone),
		IN_VC(test_vcenter__values_are_typed),
		IN_VC(test_vcenter__task_is_polled_to_its_end),
		IN_VC(test_vcenter__failed_task_is_an_error),
		IN_VC(test_vcenter__change_without_a_sound_answer_may_have_begun),
		IN_VC(test_vcenter__lost_change_is_not_repeated),
		IN_VC(test_vcenter__settings),
		IN_VC(test_vcenter__passthrough_is_enabled),
	};

	return cmocka_run_group_tests_name("vcenter inventory", tests, NULL, NULL);
}
